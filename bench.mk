# The benchmark: docs/benchmark.md. Programs are built outside of the tree.
BENCH_BIN ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/regent/bench
N         ?= 3
SETTINGS  ?= 5/1/1

.PHONY: bench
bench: ## gaps, costs, health checks; N=5 SETTINGS=5/1/1,20/1/3 PEER=patroni FLOOR=1 ARGS=...
	@scripts/deps server
	@rm -rf $(BENCH_BIN) && mkdir -p $(BENCH_BIN)
	@go build -trimpath -o $(BENCH_BIN)/regent ./cmd/regent
	@go build -trimpath -o $(BENCH_BIN)/bench ./internal/bench/cmd
	@$(BENCH_BIN)/bench -regent $(BENCH_BIN)/regent -n $(N) -settings $(SETTINGS) $(if $(PEER),-peer $(PEER)) $(if $(FLOOR),-floor) $(ARGS)
