package bench

import (
	"fmt"

	"github.com/regent-ha/regent/internal/tally"
)

// tallies count what each node asks of the store, by its name.
type tallies map[string]*tally.Link

// divert puts a tally before the way to the store that a node's configuration has.
func (t tallies) divert(name string, config map[string]any) error {
	var way string
	var set func(addr string)
	if etcd, ok := config["etcd3"].(map[string]any); ok {
		hosts, _ := etcd["hosts"].([]string)
		if len(hosts) != 1 {
			return fmt.Errorf("bench: node %s: etcd3.hosts is %v: one host can be counted", name, etcd["hosts"])
		}
		way = hosts[0]
		set = func(addr string) {
			etcd["hosts"] = []string{addr}
			etcd["use_proxies"] = true // nobody looks for a way past it
		}
	}
	if consul, ok := config["consul"].(map[string]any); ok {
		way, _ = consul["host"].(string)
		set = func(addr string) { consul["host"] = addr }
	}
	if way == "" {
		return fmt.Errorf("bench: node %s: its requests can't be counted on this store", name)
	}
	link, err := tally.Listen(way)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	t[name] = link
	set(link.Addr)
	return nil
}

func (t tallies) close() {
	for _, link := range t {
		link.Close()
	}
}
