package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// A setting that PostgreSQL can't start with, in the cluster's configuration, and
// a restart: the member says `start failed` in PostgreSQL's own words, on a
// replica and, with nobody to take over, on the primary; setting it right heals
// both without a hand.
func TestSettingPreventsStart(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	failed := func(state, _, problem string) bool {
		return state == "start failed" && strings.Contains(problem, `FATAL:  could not access file "no_such_library"`)
	}
	set := func(libraries any) {
		t.Helper()
		body := fields{"postgresql": fields{"parameters": fields{"shared_preload_libraries": libraries}}}
		if got := s.call(replica, http.MethodPatch, "/config", body); got.status != 200 {
			t.Fatalf("PATCH /config: %v", got)
		}
	}
	set("no_such_library")
	for _, n := range []*lab.Node{replica, leader} {
		s.pendingRestart(n)
		s.ask(n, http.MethodPost, "/restart", nil, answer{503, "restart failed"})
		s.memberSays(n, "that it doesn't start, and why", failed)
	}
	set(nil)
	s.judge(false)
	for _, n := range s.Nodes {
		s.memberSays(n, "that all is well", func(state, _, problem string) bool { return state == "running" && problem == "" })
	}
}

// What is wrong in an agent's own configuration is said in one line that names
// the setting, and never as a stack trace.
func TestMisconfigured(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	replica := s.others(leader)[0]
	replica.KillHost()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	defer taken.Close()
	own, ownKey := selfSigned(t, "own")
	ca, _ := selfSigned(t, "other")
	part := func(config map[string]any, names ...string) map[string]any {
		for _, name := range names {
			config = config[name].(map[string]any)
		}
		return config
	}
	for _, c := range []struct {
		name   string
		change func(config map[string]any)
		says   string // a line of its log
		ends   bool   // the agent refuses to run
	}{
		{"bin_dir", func(c map[string]any) { part(c, "postgresql")["bin_dir"] = "/no/such/dir" }, `postgresql\.bin_dir.*/no/such/dir`, true},
		{"store", func(c map[string]any) { part(c, "etcd3")["hosts"] = []string{"127.0.0.1:1"} }, `the store can't be read yet.*etcd3\.hosts: http://127\.0\.0\.1:1.*connection refused`, false},
		{"REST port", func(c map[string]any) { part(c, "restapi")["listen"] = taken.Addr().String() }, `restapi\.listen.*address already in use`, true},
		{"certificate of another authority", func(c map[string]any) {
			part(c, "restapi")["certfile"], part(c, "restapi")["keyfile"] = own, ownKey
			c["ctl"] = map[string]any{"cacert": ca}
		}, `restapi\.certfile.*ctl\.cacert.*unknown authority`, true},
		{"PostgreSQL port", func(c map[string]any) { part(c, "postgresql")["listen"] = taken.Addr().String() }, `postgresql\.listen.*` + regexp.QuoteMeta(taken.Addr().String()) + `.*Address already in use`, false},
		{"replication password", func(c map[string]any) {
			part(c, "postgresql", "authentication", "replication")["password"] = "wrong-secret"
		}, `password authentication failed for user "replicator".*postgresql\.authentication\.replication|postgresql\.authentication\.replication.*password authentication failed`, false},
	} {
		original, err := os.ReadFile(replica.Config)
		s.must(err)
		s.must(os.RemoveAll(replica.Log))
		s.must(os.RemoveAll(replica.DataDir() + ".log"))
		if c.name == "replication password" { // it shows where there is something to copy
			s.must(os.Rename(replica.DataDir(), filepath.Join(replica.Dir, "before")))
		}
		s.must(replica.Configure(c.change))
		s.must(replica.StartHost())
		t.Log(c.name)
		s.awaitLog(replica, c.says)
		if c.ends {
			s.ends(replica)
		}
		if text, err := os.ReadFile(replica.Log); err != nil || regexp.MustCompile(`goroutine \d|wrong-secret|panic:`).Match(text) {
			t.Errorf("%s: the log has a stack trace or a password: %v\n%s", c.name, err, text)
		}
		replica.KillHost()
		s.must(os.WriteFile(replica.Config, original, 0o600))
	}
	s.must(replica.StartHost())
	s.healthy()
}

// selfSigned makes a certificate that nobody else signed.
func selfSigned(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// The store doesn't accept the password: one line that names the setting, and the
// agent waits for it to be accepted.
func TestStorePassword(t *testing.T) {
	t.Parallel()
	etcd := testenv.Etcd(t, testenv.EtcdOptions{Password: "right-secret"})
	s := newLab(t, lab.Options{Nodes: 1, Node: func(_ string, config map[string]any) {
		config["etcd3"] = map[string]any{"hosts": etcd.Endpoints(), "username": etcd.Username, "password": "wrong-secret"}
	}})
	n := s.Nodes[0]
	s.must(n.StartAgent())
	s.awaitLog(n, `the store can't be read yet.*etcd3\.username, etcd3\.password.*authentication failed`)
	if l := s.logged(n, `goroutine \d|-secret|panic:`); l > 0 {
		t.Error("the log has a stack trace or a password")
	}
	if n.AgentPID() == 0 {
		t.Error("the agent has ended")
	}
}
