package config

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// etcdText is the section of a running etcd, over base's.
func etcdText(e *testenv.EtcdCluster) string {
	text := fmt.Sprintf("etcd3:\n  host: null\n  hosts: [%s]\n", strings.Join(e.Endpoints(), ", "))
	if e.Certificates != "" {
		file := func(name string) string { return filepath.Join(e.Certificates, name) }
		text += fmt.Sprintf("  protocol: https\n  cacert: %s\n  cert: %s\n  key: %s\n", file("ca.crt"), file("client.crt"), file("client.key"))
	}
	if e.Username != "" {
		text += fmt.Sprintf("  username: %s\n  password: %s\n", e.Username, e.Password)
	}
	return text
}

func TestOpenDCS(t *testing.T) {
	for _, test := range []struct {
		name    string
		options testenv.EtcdOptions
	}{
		{"plain", testenv.EtcdOptions{}},
		{"TLS and authentication", testenv.EtcdOptions{TLS: true, Password: "0123"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := testenv.Etcd(t, test.options)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			leads(t, etcdText(e), 7, 7*time.Second)
		})
	}
}

// leads opens the store that text configures, takes the leader key there, whose
// lease is to be so long with that ttl, and looks at it as an observer.
func leads(t *testing.T, text string, ttl int, lease time.Duration) *Config {
	t.Helper()
	c, warnings, err := loadText(t, text+fmt.Sprintf("bootstrap: {dcs: {ttl: %d, loop_wait: 1, retry_timeout: 3}}\n", ttl))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, err := OpenDCS(ctx, c, c.Name, clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l, err := store.AttemptToAcquireLeader(ctx)
	if err != nil || l.For != lease {
		t.Fatalf("lease %+v, %v; bootstrap.dcs.ttl is %d", l, err, ttl)
	}
	observer, err := OpenDCS(ctx, c, "", clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Close()
	snapshot, err := observer.Read(ctx)
	if err != nil || snapshot.Leader == nil || snapshot.Leader.Name != c.Name {
		t.Fatalf("%+v, %v", snapshot, err)
	}
	if _, err := observer.AttemptToAcquireLeader(ctx); !errors.Is(err, dcs.ErrObserver) {
		t.Errorf("an observer acquires: %v", err)
	}
	return c
}

// Nobody listens there: the error says so, and which setting it is about.
func TestStoreSetting(t *testing.T) {
	for text, want := range map[string]string{
		"etcd3: {host: null, hosts: '127.0.0.1:1, 127.0.0.1:2'}":      "etcd3.hosts: http://127.0.0.1:1, http://127.0.0.1:2",
		"etcd3: null\nzookeeper: {hosts: '127.0.0.1:1, 127.0.0.1:2'}": "zookeeper.hosts: 127.0.0.1:1, 127.0.0.1:2",
	} {
		c, _, err := loadText(t, text+"\n")
		if err != nil {
			t.Fatal(err)
		}
		store, err := OpenDCS(t.Context(), c, c.Name, clock.System(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = store.Read(ctx)
		if err == nil || !strings.Contains(err.Error(), ": connection refused: ") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is: %v", err)
		}
		if got := c.StoreSetting(err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Files that don't go together are refused before anybody is asked.
func TestOpenDCSRefusesCertificates(t *testing.T) {
	dir := testenv.Etcd(t, testenv.EtcdOptions{TLS: true}).Certificates
	for name, c := range map[string]struct{ cacert, cert, key, want string }{
		"a key that doesn't fit":  {"ca.crt", "client.crt", "server.key", "config: etcd3.cert, key: tls: private key does not match public key"},
		"a key for a certificate": {"ca.crt", "client.key", "client.key", "config: etcd3.cert, key: tls: "},
		"no key in the file":      {"ca.crt", "client.crt", "", "config: etcd3.cert, key: tls: "},
		"a key for a CA":          {"client.key", "client.crt", "client.key", "config: etcd3.cacert: " + filepath.Join(dir, "client.key") + " holds no certificate in PEM"},
	} {
		text := "etcd3: {host: null, hosts: 'localhost:1', protocol: https"
		for key, file := range map[string]string{"cacert": c.cacert, "cert": c.cert, "key": c.key} {
			if file != "" {
				text += ", " + key + ": " + filepath.Join(dir, file)
			}
		}
		loaded, _, err := loadText(t, text+"}\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := OpenDCS(t.Context(), loaded, "one", nil, nil); err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestOpenDCSRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"etcd3: null\nraft: {self_addr: 'a:1'}":                        "config: store raft isn't supported; supported: consul, etcd, etcd3, exhibitor, kubernetes, zookeeper",
		"etcd3: null\netcd: {url: 'https://a', cacert: /no}":           "config: etcd.cacert: open /no: no such file or directory",
		"etcd3: {protocol: https, cacert: /no}":                        "config: etcd3.cacert: open /no: no such file or directory",
		"etcd3: null\nconsul: {url: 'https://127.0.0.1', cacert: /no}": "config: consul.cacert: open /no: no such file or directory",
	} {
		c, _, err := loadText(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := OpenDCS(t.Context(), c, "one", nil, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
