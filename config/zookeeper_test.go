package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestZooKeeperSection(t *testing.T) {
	c, warnings, err := loadText(t, `
etcd3: null
zookeeper:
  hosts: [zk1.example, "zk2.example:2182", "10.0.0.3:2181/apps/db/"]
  use_ssl: yes
  auth_data: {digest: "regent:hunter2"}
  set_acls: {"CN=regent,O=Example": [ALL], "digest:app:abc=": [read], "ip:10.0.0.0/8": "CREATE,READ"}
`)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want := ZooKeeper{
		Hosts: []string{"zk1.example:2181", "zk2.example:2182", "10.0.0.3:2181"}, Chroot: "/apps/db",
		ZooKeeperAccess: ZooKeeperAccess{
			UseSSL: true, Verify: true,
			AuthData: []ZooKeeperLogin{{"digest", "regent:hunter2"}},
			ACLs: []zookeeper.ACL{
				{Scheme: "x509", ID: "CN=regent,O=Example", Perms: zookeeper.All},
				{Scheme: "digest", ID: "app:abc=", Perms: zookeeper.Read},
				{Scheme: "ip", ID: "10.0.0.0/8", Perms: zookeeper.Create | zookeeper.Read},
			},
		},
	}
	if diff := cmp.Diff(want, c.Store.Section); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%+v %#v", c.Store, c.Store.Section); strings.Contains(text, "hunter2") {
		t.Errorf("a secret shows: %s", text)
	}
}

func TestZooKeeperProblems(t *testing.T) {
	for section, want := range map[string]string{
		"{}":                                     "zookeeper.hosts: missing: it names the servers, as host:port",
		"{hosts: []}":                            "zookeeper.hosts: names no server",
		"{hosts: 'a:b'}":                         `zookeeper.hosts: "a:b" is not allowed: a port is a number from 1 to 65535`,
		"{hosts: 'a/x,b'}":                       `zookeeper.hosts: "a/x" is not allowed: host:port is`,
		"{hosts: 'zookeeper://a:1'}":             `zookeeper.hosts: "zookeeper://a:1" is not allowed: host:port is`,
		"{hosts: a, use_ssl: maybe}":             `zookeeper.use_ssl: "maybe" is no switch: allowed are on, true, yes, 1 and off, false, no, 0`,
		"{hosts: a, key: /k}":                    "zookeeper.cert: missing: key needs it",
		"{hosts: a, key_password: hunter2}":      "zookeeper.key_password: keys with a password aren't supported: remove it from the key (openssl pkey -in KEY -out NEW) and protect the file",
		"{hosts: a, set_acls: {u: [ALL, FOO]}}":  `zookeeper.set_acls.u: "FOO" is not allowed: ADMIN, ALL, CREATE, DELETE, READ, WRITE are`,
		"{hosts: a, set_acls: {u: []}}":          "zookeeper.set_acls.u: allows nothing: one of ADMIN, ALL, CREATE, DELETE, READ, WRITE is needed",
		"{hosts: a, set_acls: {u: READ}}":        "zookeeper.set_acls: allows nobody all of CREATE, READ, WRITE, DELETE, which members need",
		"{hosts: a, auth_data: {sasl: x}}":       "zookeeper.auth_data.sasl: isn't supported: digest is, and certificates (use_ssl, cert)",
		"{hosts: a, auth_data: [hunter2]}":       "zookeeper.auth_data: must be a map",
		"{hosts: a, auth_data: {digest: [a:b]}}": "zookeeper.auth_data.digest: must be a text (in quotes, if it reads as something else)",
	} {
		_, _, err := loadText(t, "etcd3: null\nzookeeper: "+section)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n%v, want\n%s", section, err, want)
		}
	}
	_, warnings, err := loadText(t, "etcd3: null\nzookeeper: {hosts: a, cacert: /x, host: b}")
	const want = "zookeeper.host: unknown, ignored; did you mean hosts?\nzookeeper.use_ssl: false doesn't use cacert, cert and verify: true does"
	var lines []string
	for _, w := range warnings {
		lines = append(lines, w.String())
	}
	if got := strings.Join(lines, "\n"); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestOpenZooKeeper(t *testing.T) {
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{TLS: true})
	raw := server.Client(t)
	if _, _, err := raw.Exists("/"); err != nil { // its goroutines run
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	file := func(name string) string { return filepath.Join(server.Certificates, name) }
	text := fmt.Sprintf("etcd3: null\nzookeeper: {hosts: '%s/app', use_ssl: on, cacert: %s, cert: %s, key: %s, auth_data: {digest: 'u:p'}}\n",
		server.Members[0].Addr, file("ca.crt"), file("client.crt"), file("client.key"))
	c := leads(t, text, 25, 25*time.Second)
	if value, _, err := raw.Get("/app/service/" + c.Scope + "/leader"); err != nil || string(value) != c.Name {
		t.Errorf("the leader key is %q, %v", value, err)
	}
}
