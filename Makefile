# Two targets do all that a newcomer needs: make demo, make test. Both install
# what they need and say what they install.

CACHE   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/regent
BIN     := $(CACHE)/bin
GO      ?= go
export CGO_ENABLED ?= 1

.PHONY: demo test lint build sim bench unit deps
.DEFAULT_GOAL := build

build: ## the programs, into bin/
	$(GO) build -trimpath -o bin/ ./cmd/regent ./cmd/regentctl

test: deps lint unit ## everything that a change must pass

deps:
	scripts/deps test

unit:
	$(GO) test -race -timeout 20m ./...

lint: $(BIN)/staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(BIN)/staticcheck ./...

$(BIN)/staticcheck: tools/go.mod
	@mkdir -p $(BIN)
	cd tools && $(GO) build -o $@ honnef.co/go/tools/cmd/staticcheck
