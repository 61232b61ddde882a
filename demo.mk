# The demonstration. Programs are built outside of the tree.
DEMO_BIN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/regent/bin

.PHONY: demo
demo: ## a cluster of three to play with; make demo ARGS=--check is a tour that ends by itself
	@scripts/deps server
	@mkdir -p $(DEMO_BIN)
	@go build -trimpath -o $(DEMO_BIN)/ ./cmd/regent $(wildcard ./cmd/regentctl)
	@cd cmd/regent-store && go build -trimpath -o $(DEMO_BIN)/regent-store .
	@$(DEMO_BIN)/regent demo $(ARGS)
