# The benchmark: docs/benchmark.md. Many clusters on one etcd: docs/backends/load.md.
#
#   N=5                     how often each event is measured
#   SETTINGS=5/1/1,20/1/3   ttl/loop_wait/retry_timeout; each is a system of its own
#   STORE=consul            another store than etcd: etcd2, regent-store, consul, zookeeper, kubernetes, kubernetes-configmaps
#   PEER=patroni            Patroni beside it: apt-get install patroni python3-etcd python3-psycopg2
#   FLOOR=1                 the same steps without any agent
#   ARGS='-events restart'  anything else that -h tells
N        ?= 3
SETTINGS ?= 5/1/1
STORE    ?= etcd

.PHONY: bench
bench: ## gaps of clients, costs of idle agents, health checks
	@scripts/deps test
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && chmod 755 "$$dir" && \
	$(BUILD) -o "$$dir/regent" ./cmd/regent && \
	$(BUILD) -o "$$dir/bench" ./internal/bench/cmd && \
	scripts/servers for $(STORE) && for s in consul kube-apiserver regent-store; do test ! -x "$(CACHE)/servers/$$s" || cp "$(CACHE)/servers/$$s" "$$dir"; done && \
	"$$dir/bench" -regent "$$dir/regent" -store $(STORE) -n $(N) -settings "$(SETTINGS)" $(if $(PEER),-peer $(PEER)) $(if $(FLOOR),-floor) $(ARGS)

# CLUSTERS=1000, and ARGS='-for 5m -loop-wait 10s' or anything else that -h tells.
CLUSTERS ?= 1000

.PHONY: thousand
thousand: ## a thousand clusters' renewals, touches and watches on one etcd
	@scripts/deps test
	$(GO) run ./internal/load/cmd -clusters $(CLUSTERS) -writes $(ARGS)
