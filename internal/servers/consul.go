package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/consul/api"
)

// ConsulAgent is an agent of Consul.
type ConsulAgent struct {
	Name string
	Dir  string // for its data and its configuration
	// Ports for clients, for the agents of the datacenter, for the servers. An agent
	// without the last one is no server.
	HTTP, Serf, Server int
	Servers            int      // how many servers there are; 0: one
	Join               []string // host:port of the agents to look for
	// SessionTTLMin is the least TTL of a session; 0: Consul's own, 10 s.
	SessionTTLMin time.Duration
	// Ports and Settings are added to what Args writes.
	Ports    map[string]int
	Settings map[string]any
}

// Args writes the agent's configuration and returns its command line.
func (a ConsulAgent) Args(program string) ([]string, error) {
	text, err := json.Marshal(a.settings())
	file := filepath.Join(a.Dir, a.Name+".json")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("servers: configure Consul: %w", err)
	}
	args := []string{program, "agent", "-config-file", file}
	for _, addr := range a.Join {
		args = append(args, "-retry-join", addr)
	}
	return args, nil
}

func (a ConsulAgent) settings() map[string]any {
	ports := map[string]int{"http": a.HTTP, "https": -1, "dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1, "serf_lan": a.Serf}
	settings := map[string]any{
		"node_name": a.Name, "data_dir": filepath.Join(a.Dir, a.Name), "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
		"ports": ports, "performance": map[string]any{"raft_multiplier": 1}, "connect": map[string]any{"enabled": false},
		"disable_update_check": true, "log_level": "warn", "retry_interval": "1s",
		// By default 200, which all members on one machine together can go beyond.
		"limits": map[string]any{"http_max_conns_per_client": 2000},
	}
	if a.Server != 0 {
		settings["server"], settings["bootstrap_expect"], ports["server"] = true, max(a.Servers, 1), a.Server
	}
	if a.SessionTTLMin > 0 {
		settings["session_ttl_min"] = a.SessionTTLMin.String()
	}
	maps.Copy(ports, a.Ports)
	maps.Copy(settings, a.Settings)
	return settings
}

// ConsulServes returns nil when the agent that client asks reaches a leader to
// which node, an agent's name, is known.
func ConsulServes(ctx context.Context, client *api.Client, node string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	known, _, err := client.Catalog().Node(node, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err == nil && known == nil {
		err = errors.New("its node isn't in the catalog yet")
	}
	return err
}
