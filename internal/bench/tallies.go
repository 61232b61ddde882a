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
	for _, kind := range []string{"etcd3", "etcd", "zookeeper"} {
		if section, ok := config[kind].(map[string]any); ok {
			hosts, _ := section["hosts"].([]string)
			if len(hosts) != 1 {
				return fmt.Errorf("bench: node %s: %s.hosts is %v: one host can be counted", name, kind, section["hosts"])
			}
			way = hosts[0]
			set = func(addr string) { section["hosts"] = []string{addr} }
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
