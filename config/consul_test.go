package config

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestConsulSection(t *testing.T) {
	plain := func(url, namedBy string) Consul {
		return Consul{URL: url, NamedBy: namedBy, Verify: true, Consistency: "default"}
	}
	for text, want := range map[string]Consul{
		"{scheme: http}": plain("http://127.0.0.1:8500", "host"),
		"{host: consul.example.com, scheme: https}":     plain("https://consul.example.com:8500", "host"),
		"{host: '10.0.0.1:1234'}":                       plain("http://10.0.0.1:1234", "host"),
		"{host: '[::1]', port: 8501}":                   plain("http://[::1]:8501", "host"),
		"{port: 8501}":                                  plain("http://127.0.0.1:8501", "host"),
		"{url: 'https://consul.example.com:8501/'}":     plain("https://consul.example.com:8501", "url"),
		"{url: 'http://consul.example.com', port: 123}": plain("http://consul.example.com:123", "url"),
		"{token: t, dc: north, consistency: stale, checks: [serfHealth], lock_delay: 20, register_service: true, service_tags: [x]," +
			" service_check_interval: 10s, service_check_tls_server_name: n, verify: off, url: 'https://a', cacert: /ca, cert: /c, key: /k}": {
			URL: "https://a:8500", NamedBy: "url", Token: "t", CACert: "/ca", Cert: "/c", Key: "/k", Datacenter: "north", Consistency: "stale",
			Checks: []string{"serfHealth"}, LockDelay: 20 * time.Second,
			Service: &consul.Service{Tags: []string{"x"}, CheckInterval: 10 * time.Second, CheckTLSServerName: "n"},
		},
	} {
		c, _, err := loadText(t, "etcd3: null\nconsul: "+text+"\n")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, c.Store.Section); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestConsulSectionRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"{host: a, url: 'http://b'}":      "consul: names its agent more than once (host, url): one is allowed",
		"{url: 'http://u:hunter2@a'}":     `consul.url: "http://…@a" is not allowed: http://host:port or https://host:port is`,
		"{url: 'tcp://a'}":                `consul.url: "tcp://a" is not allowed: http://host:port or https://host:port is`,
		"{host: 'a b'}":                   `consul.host: "a b:8500" is not allowed: host:port is`,
		"{scheme: https, key: /k}":        "consul.cert: missing: key needs it",
		"{lock_delay: 61}":                "consul.lock_delay: 1m1s is not allowed: at most 1m is, as Consul delays no longer",
		"{host: a}\netcd3: {host: 'b:1'}": "consul, etcd3: several stores are configured: one is allowed",
	} {
		section := "consul: " + text + "\n"
		if !strings.Contains(text, "etcd3") {
			section += "etcd3: null\n"
		}
		if _, _, err := loadText(t, section); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestOpenConsul(t *testing.T) {
	for name, options := range map[string]testenv.ConsulOptions{"plain": {}, "TLS and access control": {TLS: true, ACL: true}} {
		t.Run(name, func(t *testing.T) {
			server := testenv.Consul(t, options)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			text := "etcd3: null\nconsul:\n  host: " + server.Servers[0].Addr + "\n"
			if server.Certificates != "" {
				file := func(name string) string { return filepath.Join(server.Certificates, name) }
				text += fmt.Sprintf("  scheme: https\n  cacert: %s\n  cert: %s\n  key: %s\n  token: %s\n",
					file("ca.crt"), file("client.crt"), file("client.key"), server.Token)
			}
			c := leads(t, text, 20, 10*time.Second)
			if !options.ACL {
				return
			}
			section := c.Store.Section.(Consul)
			section.Token = "99999999-2222-3333-4444-555555555555"
			c.Store.Section = section
			stranger, err := OpenDCS(t.Context(), c, "", clock.System(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if _, err = stranger.Read(ctx); c.StoreSetting(err) != "consul.token" {
				t.Errorf("%v is put down to %s", err, c.StoreSetting(err))
			}
		})
	}
}
