# The demonstration. Programs are built outside of the tree.
DEMO_BIN   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/regent/bin
DEMO_STORE := $(or $(patsubst --store=%,%,$(filter --store=%,$(ARGS))),regent-store)

.PHONY: demo
demo: ## a cluster of three to play with; make demo ARGS=--check is a tour that ends by itself
	@scripts/deps server $(DEMO_STORE)
	@mkdir -p $(DEMO_BIN)
	@$(BUILD) -o $(DEMO_BIN)/ ./cmd/regent $(wildcard ./cmd/regentctl)
	@scripts/servers for $(DEMO_STORE)
	@$(DEMO_BIN)/regent demo $(ARGS)
