package config

import (
	"os"
	"testing"

	"github.com/regent-ha/regent/ha"
)

// FuzzLoad looks for a text that Load or Effective panics on, or that is both an
// error and a configuration.
func FuzzLoad(f *testing.F) {
	whole, err := os.ReadFile("testdata/patroni.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(whole), "a")
	for _, text := range []string{
		base, "", "[]", "a: &x [*x]", "<<: [{a: 1}]", "? {a: 1}\n: b", "? [a]\n: b", "tags: {1: 2, null: 3, 2001-01-01: x}",
		"postgresql: {parameters: {a: .nan, b: .inf, c: 1e400}}", "scope: !!binary aGk=", "etcd3: {hosts: [[], {}, null]}",
		"bootstrap: {initdb: [{a: {}}], dcs: {slots: []}, method: dcs}", "log: {mode: 0o644, file_size: 9223372036854775807}",
	} {
		f.Add(text, "'a','b'")
	}
	f.Fuzz(func(t *testing.T, text, variable string) {
		c, warnings, err := Load("", []string{"PATRONI_CONFIGURATION=" + text})
		if (c == nil) == (err == nil) {
			t.Errorf("%v beside error %v", c, err)
		}
		for _, w := range warnings {
			_ = w.String()
		}
		if c != nil {
			if s, _, err := c.Effective(nil, ha.CommonFloors()); err == nil && s.Cluster.LoopWait+2*s.Cluster.RetryTimeout > s.Cluster.TTL {
				t.Errorf("timeouts that don't fit: %+v", s.Cluster)
			}
			if _, err := c.YAML(); err != nil {
				t.Error(err)
			}
		}
		if v, err := parseYAML([]byte(text)); err == nil {
			_, _, _ = (&Config{local: &tree{map[string]any{}}}).Effective(v, ha.ShortFloors())
		}
		for _, name := range []string{"RESTAPI_ALLOWLIST", "LOG_STATIC_FIELDS", "CITUS_GROUP", "ETCD3_HOSTS", "ETCD3_HOST"} {
			_, _, _ = Load("", []string{"PATRONI_" + name + "=" + variable})
		}
	})
}
