package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/regent-ha/regent/internal/servers"
)

// ZooKeeperOptions say what an ensemble is like; the zero value is one server
// without TLS.
type ZooKeeperOptions struct {
	Members int
	// TLS makes it serve and demand certificates of a CA made for the test.
	TLS bool
	// MaxSession is the longest session timeout that it grants, by default a minute
	// times five; the shortest is 400 ms.
	MaxSession time.Duration
	// Properties are added to the Java virtual machine's, as "name=value".
	Properties []string
}

// ZooKeeperCluster is a running ensemble.
type ZooKeeperCluster struct {
	Members []*ZooKeeperMember
	// TLS is what clients connect with; nil without ZooKeeperOptions.TLS.
	TLS *tls.Config
	// Certificates is the folder with ca.crt, client.crt and client.key that TLS
	// was made of; empty without it.
	Certificates string
}

// ZooKeeperMember is one server of it.
type ZooKeeperMember struct {
	Addr string // host:port for clients

	tb    testing.TB
	tls   *tls.Config
	args  []string
	log   string
	child *child
}

// ZooKeeper starts an ensemble (Debian's zookeeper) that ends with the test, and
// returns when it serves.
func ZooKeeper(tb testing.TB, o ZooKeeperOptions) *ZooKeeperCluster {
	tb.Helper()
	java, err := servers.FindZooKeeper()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	c, dir := &ZooKeeperCluster{}, tb.TempDir()
	var settings []string
	if o.TLS {
		ca := newAuthority(tb, dir)
		c.TLS, c.Certificates = ca.clientConfig(tb, "regent"), dir
		settings = ca.keyStores(tb)
	}
	for i := range max(o.Members, 1) {
		if o.Members > 1 {
			settings = append(settings, fmt.Sprintf("server.%d=%s:%d", i+1, Addr(tb), Port(tb)))
		}
		c.Members = append(c.Members, &ZooKeeperMember{tb: tb, Addr: Addr(tb), tls: c.TLS, log: filepath.Join(dir, fmt.Sprintf("zk%d.log", i))})
	}
	for i, m := range c.Members {
		m.args, err = servers.ZooKeeperServer{
			Dir: filepath.Join(dir, fmt.Sprint(i+1)), Addr: m.Addr, ID: i + 1, MaxSession: o.MaxSession, TLS: o.TLS,
			Settings: settings, Properties: o.Properties,
		}.Args(java)
		if err != nil {
			tb.Fatalf("testenv: %v", err)
		}
		m.Start()
	}
	c.WaitHealthy(tb)
	return c
}

// keyStores make ZooKeeper serve TLS on 127.0.0.1 and ask clients for a
// certificate: a server's key and its certificate are one file.
func (a *authority) keyStores(tb testing.TB) []string {
	tb.Helper()
	cert, key := a.issue(tb, "server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "zookeeper"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	both := filepath.Join(a.dir, "server.pem")
	certPEM, errCert := os.ReadFile(cert)
	keyPEM, errKey := os.ReadFile(key)
	if err := errors.Join(errCert, errKey, os.WriteFile(both, append(keyPEM, certPEM...), 0o600),
		os.Symlink(filepath.Join(a.dir, "ca.crt"), filepath.Join(a.dir, "ca.pem"))); err != nil {
		tb.Fatalf("testenv: make ZooKeeper's key store: %v", err)
	}
	return []string{
		"ssl.keyStore.location=" + both, "ssl.keyStore.type=PEM", "ssl.trustStore.location=" + filepath.Join(a.dir, "ca.pem"),
		"ssl.trustStore.type=PEM", "ssl.hostnameVerification=false",
	}
}

// Servers are the addresses of all members.
func (c *ZooKeeperCluster) Servers() []string {
	var addrs []string
	for _, m := range c.Members {
		addrs = append(addrs, m.Addr)
	}
	return addrs
}

// WaitHealthy returns when every member serves, which takes a majority.
func (c *ZooKeeperCluster) WaitHealthy(tb testing.TB) {
	tb.Helper()
	for _, m := range c.Members {
		Eventually(tb, time.Minute, "ZooKeeper to serve", func() error {
			if err := m.child.died(); err != nil {
				tb.Fatal(err)
			}
			_, err := m.Mode()
			return err
		})
	}
}

// Mode is what the server is: standalone, leader, follower. That it doesn't serve
// is an error.
func (m *ZooKeeperMember) Mode() (string, error) { return servers.ZooKeeperMode(m.Addr, m.tls) }

// Sessions is how many there are in the ensemble; it must be its leader, or alone.
func (m *ZooKeeperMember) Sessions(tb testing.TB) int {
	tb.Helper()
	text, err := servers.TellZooKeeper(m.Addr, m.tls, "dump")
	if err != nil {
		tb.Fatalf("testenv: ask ZooKeeper for its sessions: %v", err)
	}
	// "Session Sets (n)/(total):" and a list for each instant at which some end.
	sessions, _, _ := strings.Cut(text, "ephemeral nodes dump")
	return strings.Count(sessions, "\t0x")
}

// Client returns a client of another make, for what tests look at past the code
// that they test. It is closed with the test.
func (c *ZooKeeperCluster) Client(tb testing.TB, addrs ...string) *zk.Conn {
	tb.Helper()
	if len(addrs) == 0 {
		addrs = c.Servers()
	}
	client, events, err := zk.Connect(addrs, 10*time.Second, zk.WithLogger(silent{}), zk.WithDialer(func(network, addr string, timeout time.Duration) (net.Conn, error) {
		dialer := &net.Dialer{Timeout: timeout}
		if c.TLS == nil {
			return dialer.Dial(network, addr)
		}
		return tls.DialWithDialer(dialer, network, addr, c.TLS)
	}))
	if err != nil {
		tb.Fatalf("testenv: connect to ZooKeeper: %v", err)
	}
	tb.Cleanup(func() {
		client.Close()
		for range events { // until its goroutines have ended
		}
	})
	return client
}

// silent is a logger for a library that has no other way to be quiet.
type silent struct{}

func (silent) Printf(string, ...any) {}

// Log is what the server has printed.
func (m *ZooKeeperMember) Log() string {
	text, _ := os.ReadFile(m.log)
	return string(text)
}

// Kill ends the server with SIGKILL. Its data stays.
func (m *ZooKeeperMember) Kill() { m.child.kill() }

// Start starts it again, on the same address and data.
func (m *ZooKeeperMember) Start() {
	m.tb.Helper()
	m.child = startChild(m.tb, m.log, m.args[0], m.args[1:]...)
}

// Freeze stops the process where it stands: it keeps its connections and
// answers nothing.
func (m *ZooKeeperMember) Freeze() {
	m.tb.Helper()
	m.child.freeze(m.tb)
}

// Thaw lets it go on.
func (m *ZooKeeperMember) Thaw() { m.child.thaw() }
