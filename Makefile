# Two targets do all that a newcomer needs: make demo, make test. Both install
# what they need and say what they install.

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/regent
BIN   := $(CACHE)/bin
GO    ?= go
# With its traces, grpc brings templates, and with them the linker keeps every method
# of every type: 7 MB of program, and 3 of each agent's memory.
BUILD := $(GO) build -trimpath -tags grpcnotrace

.PHONY: build test deps majors lint unit tour sim store-loss soak
.DEFAULT_GOAL := build

build: ## the programs, into bin/
	$(BUILD) -o bin/ ./cmd/regent ./cmd/regentctl

include demo.mk $(wildcard bench.mk)

test: deps lint unit tour ## everything that a change must pass

tour: ## the demonstration, as the README has it
	$(MAKE) demo ARGS=--check

deps:
	@scripts/deps test
	@scripts/servers
	@scripts/majors

majors: deps ## the core of the end-to-end tests on PostgreSQL 14 to 18; make test has the oldest and the newest
	$(GO) test -timeout 40m -count 1 ./internal/e2e -run TestMajors -v -majors 14,15,16,17,18

# Packages whose tests are whole clusters: under the race detector they would
# take most of the time; what they run is tested under it package by package.
WHOLE := ./ha/hatest ./internal/e2e ./internal/lab ./internal/demo ./internal/bench

unit:
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v -E "/($(subst ./,,$(subst $() $(),|,$(strip $(WHOLE)))))(/|$$)")
	SEEDS=$(or $(SEEDS),300) $(GO) test -timeout 20m ./ha/hatest
	$(GO) test -p 1 -timeout 40m $$($(GO) list ./internal/lab ./internal/demo ./internal/e2e)
	cd cmd/regent-store && $(GO) vet . && $(GO) test -timeout 5m .

sim: ## whole clusters in virtual time: make sim SEEDS=10000, or one history: make sim SEED=7
	SEEDS=$(SEEDS) SEED=$(SEED) $(GO) test -timeout 12h -count 1 ./ha/hatest -run TestSimulation -v

LOSSES ?= 20
store-loss: deps ## hosts are lost that had the primary and had led the store: is that over within ttl and a second?
	LOSSES=$(LOSSES) $(GO) test -timeout 2h -count 1 -v ./internal/e2e -run TestHostLostWithTheStore

soak: ## a hundred thousand renewals and a thousand reconnects of each store: make soak RENEWALS=1000000
	REGENT_SOAK=$(or $(RENEWALS),100000) $(GO) test -timeout 12h -count 1 -p 1 -v -run '^TestSoak$$' ./dcs/...

lint: $(BIN)/staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(BIN)/staticcheck ./...

$(BIN)/staticcheck: tools/go.mod
	@mkdir -p $(BIN)
	cd tools && $(GO) build -o $@ honnef.co/go/tools/cmd/staticcheck
