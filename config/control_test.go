package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "patronictl.yaml")
	content := "scope: shop\nnamespace: /db/\nzookeeper: {hosts: [a:2181]}\nctl: {insecure: true, authentication: {username: u, password: p}}\n" +
		"restapi: {cafile: ca.pem, whatever: 1}\npostgresql: {nonsense: here}\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := LoadControl(path, nil, "db.example")
	if err != nil {
		t.Fatal(err)
	}
	if c.Scope != "shop" || c.Namespace != "db" || !c.Ctl.Insecure || c.Ctl.Auth.Username != "u" || c.RESTAPI.CAFile != "ca.pem" {
		t.Errorf("%+v", c)
	}
	if got := strings.Join(etcd3(c).Endpoints, " "); c.Store.Kind != "etcd3" || got != "http://db.example:2379" {
		t.Errorf("%s %s", c.Store.Kind, got)
	}
}

func TestLoadControlByURL(t *testing.T) {
	for given, want := range map[string]string{
		"etcd3://10.0.0.1:2379/db":  "http://10.0.0.1:2379 db",
		"etcd://10.0.0.1":           "http://10.0.0.1:2379 service",
		"10.0.0.1:4001/a/b/":        "http://10.0.0.1:4001 a/b",
		"[::1]:2379":                "http://[::1]:2379 service",
		"10.0.0.1:8500":             "http://10.0.0.1:8500 service",
		"consul://10.0.0.1/db":      "http://10.0.0.1:8500 db",
		"zookeeper://10.0.0.1/apps": "zookeeper://10.0.0.1:2181 apps",
		"zookeeper://[::1]:2182":    "zookeeper://[::1]:2182 service",
		"10.0.0.1:2181":             "zookeeper://10.0.0.1:2181 service",
		"raft://10.0.0.1:2181":      "store raft isn't supported",
		"etcd3://":                  "allowed is etcd3://host:port/namespace",
		":2379":                     "allowed is etcd3://host:port/namespace",
	} {
		c, _, err := LoadControl("", nil, given)
		switch {
		case err != nil:
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", given, err)
			}
		case strings.HasPrefix(given, "etcd://") && c.Store.Kind != "etcd":
			t.Errorf("%s: %s", given, c.Store.Kind)
		case servers(t, c)+" "+c.Namespace != want:
			t.Errorf("%s: %+v %s, want %s", given, c.Store, c.Namespace, want)
		}
	}
}

func TestLoadControlNeedsAStore(t *testing.T) {
	c, _, err := LoadControl("", []string{"PATRONI_ETCD3_HOSTS=a:2379,b:2379", "PATRONI_SCOPE=shop"}, "")
	if err != nil || len(etcd3(c).Endpoints) != 2 || c.Scope != "shop" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, _, err := LoadControl("", nil, ""); err == nil || !strings.Contains(err.Error(), "etcd3: missing: no store is configured") {
		t.Errorf("%v", err)
	}
}

// servers are the servers of the store that was chosen.
func servers(t *testing.T, c *Config) string {
	t.Helper()
	_, urls, err := c.Store.Section.servers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(urls, " ")
}

// etcd3 is what the section says if it is etcd3's.
func etcd3(c *Config) Etcd {
	section, _ := c.Store.Section.(Etcd)
	return section
}
