package lab

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Names of the roles that the agents make.
const (
	superuser   = "postgres"
	replication = "replicator"
	rewind      = "rewinder"
)

// writeConfig writes what the node's agent reads.
func (n *Node) writeConfig() error {
	o := n.lab.options
	config := n.configuration()
	if o.Node != nil {
		o.Node(n.Name, config)
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("lab: configuration of %s: %w", n.Name, err)
	}
	if err := os.WriteFile(n.Config, text, 0o600); err != nil { // it has passwords
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

func (n *Node) configuration() map[string]any {
	o, secrets := n.lab.options, n.lab.secrets
	config := map[string]any{
		"scope": o.Scope, "name": n.Name, "run_dir": n.runDir(),
		"restapi": map[string]any{"listen": n.APIAddr, "connect_address": n.apiLink()},
		"bootstrap": map[string]any{
			"dcs":    n.dynamic(),
			"initdb": []any{map[string]any{"encoding": "UTF8"}, map[string]any{"locale": "C"}, "data-checksums"},
		},
		"postgresql": map[string]any{
			"listen": n.SQLAddr, "connect_address": n.ClientAddr(), "data_dir": n.DataDir(), "bin_dir": o.PostgresBin,
			"pgpass": filepath.Join(n.Dir, "pgpass"),
			"authentication": map[string]any{
				"superuser":   map[string]any{"username": superuser, "password": secrets.superuser},
				"replication": map[string]any{"username": replication, "password": secrets.replication},
				"rewind":      map[string]any{"username": rewind, "password": secrets.rewind},
			},
			"parameters": map[string]any{"unix_socket_directories": n.Dir},
			"pg_hba": []string{
				"local all all trust",
				"host all all 127.0.0.0/8 scram-sha-256",
				"host replication all 127.0.0.0/8 scram-sha-256",
			},
		},
	}
	maps.Copy(config, n.membership.section)
	return config
}

// dynamic is what a new cluster begins with.
func (n *Node) dynamic() map[string]any {
	o := n.lab.options
	dynamic := map[string]any{
		"ttl": int(o.TTL.Seconds()), "loop_wait": int(o.LoopWait.Seconds()), "retry_timeout": int(o.RetryTimeout.Seconds()),
		"postgresql": map[string]any{
			"use_pg_rewind": true, "use_slots": true,
			"parameters": map[string]any{"wal_log_hints": "on", "max_connections": 50},
		},
	}
	merge(dynamic, o.Dynamic)
	return dynamic
}

// merge puts from's values into to, maps into maps.
func merge(to, from map[string]any) {
	for key, v := range from {
		if sub, ok := v.(map[string]any); ok {
			into := map[string]any{}
			if old, ok := to[key].(map[string]any); ok {
				into = maps.Clone(old)
			}
			merge(into, sub)
			v = into
		}
		to[key] = v
	}
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
