package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/regent-ha/regent/internal/tally"
)

// tallies count what each node asks of the store, by its name.
type tallies map[string]*tally.Link

// divert puts a tally before the way to the store that a node's configuration has.
// The way to Kubernetes is in a file of its own: see divertFile.
func (t tallies) divert(name string, config map[string]any) error {
	if config["kubernetes"] != nil {
		return nil
	}
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

// divertFile is divert for a node whose environment names a kubeconfig, if it does.
func (t tallies) divertFile(name string, env []string) error {
	var file string
	for _, v := range env {
		if path, ok := strings.CutPrefix(v, "KUBECONFIG="); ok {
			file = path
		}
	}
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	var config struct {
		Rest     map[string]any `yaml:",inline"`
		Clusters []struct {
			Name    string
			Cluster map[string]string
		}
	}
	if err == nil {
		err = yaml.Unmarshal(text, &config)
	}
	if err == nil && len(config.Clusters) != 1 {
		err = fmt.Errorf("it has %d clusters", len(config.Clusters))
	}
	if err != nil {
		return fmt.Errorf("bench: node %s: read %s: %w", name, file, err)
	}
	cluster := config.Clusters[0].Cluster
	link, certificate, err := tally.ListenTLS(strings.TrimPrefix(cluster["server"], "https://"), cluster["certificate-authority"])
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	t[name] = link
	cluster["server"], cluster["certificate-authority"] = "https://"+link.Addr, file+".crt"
	if text, err = yaml.Marshal(config); err == nil {
		err = errors.Join(os.WriteFile(file, text, 0o600), os.WriteFile(file+".crt", certificate, 0o644))
	}
	if err != nil {
		return fmt.Errorf("bench: node %s: write %s: %w", name, file, err)
	}
	return nil
}

func (t tallies) close() {
	for _, link := range t {
		link.Close()
	}
}
