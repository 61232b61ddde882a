package testenv

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
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
	java, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat("/usr/share/java/zookeeper.jar")
	}
	if err != nil {
		tb.Fatal("no ZooKeeper found: apt-get install --no-install-recommends zookeeper default-jre-headless")
	}
	if o.MaxSession <= 0 {
		o.MaxSession = 5 * time.Minute
	}
	c, dir := &ZooKeeperCluster{}, tb.TempDir()
	shared := []string{
		"tickTime=200", "initLimit=25", "syncLimit=10", "minSessionTimeout=400", fmt.Sprintf("maxSessionTimeout=%d", o.MaxSession.Milliseconds()),
		"maxClientCnxns=0", "admin.enableServer=false", "4lw.commands.whitelist=*", "standaloneEnabled=true", "reconfigEnabled=false",
	}
	if o.TLS {
		ca := newAuthority(tb, dir)
		c.TLS, c.Certificates = ca.clientConfig(tb, "regent"), dir
		shared = append(shared, ca.keyStores(tb)...)
	}
	for i := range max(o.Members, 1) {
		c.Members = append(c.Members, &ZooKeeperMember{tb: tb, Addr: Addr(tb), tls: c.TLS, log: filepath.Join(dir, fmt.Sprintf("zk%d.log", i))})
	}
	var servers []string
	if o.Members > 1 {
		for i := range c.Members {
			servers = append(servers, fmt.Sprintf("server.%d=%s:%d", i+1, Addr(tb), Port(tb)))
		}
	}
	for i, m := range c.Members {
		m.configure(java, filepath.Join(dir, fmt.Sprint(i+1)), i+1, append(servers, shared...), o)
		m.Start()
	}
	c.WaitHealthy(tb)
	return c
}

// configure writes a member's files and makes its command line.
func (m *ZooKeeperMember) configure(java, dir string, id int, lines []string, o ZooKeeperOptions) {
	m.tb.Helper()
	host, port, _ := net.SplitHostPort(m.Addr)
	prefix := "client"
	if o.TLS {
		prefix = "secureClient"
	}
	lines = append(lines, "dataDir="+dir, prefix+"Port="+port, prefix+"PortAddress="+host)
	file := filepath.Join(dir, "zoo.cfg")
	err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "myid"), fmt.Append(nil, id), 0o600),
		os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	if err != nil {
		m.tb.Fatalf("testenv: configure ZooKeeper: %v", err)
	}
	m.args = []string{java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.jmx.log4j.disable=true",
		"-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-Dorg.slf4j.simpleLogger.showDateTime=true"}
	if o.TLS {
		m.args = append(m.args, "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory")
	}
	for _, p := range o.Properties {
		m.args = append(m.args, "-D"+p)
	}
	m.args = append(m.args, "-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", file)
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
			mode, err := m.Mode()
			if err == nil && mode == "" {
				err = errors.New("it isn't part of a majority")
			}
			return err
		})
	}
}

// Mode is what the server is: standalone, leader, follower; empty: it doesn't
// serve.
func (m *ZooKeeperMember) Mode() (string, error) {
	text, err := m.tell("srvr")
	_, rest, _ := strings.Cut(text, "Mode: ")
	mode, _, _ := strings.Cut(rest, "\n")
	return mode, err
}

// Sessions is how many there are in the ensemble; it must be its leader, or alone.
func (m *ZooKeeperMember) Sessions(tb testing.TB) int {
	tb.Helper()
	text, err := m.tell("dump")
	if err != nil {
		tb.Fatalf("testenv: ask ZooKeeper for its sessions: %v", err)
	}
	// "Session Sets (n)/(total):" and a list for each instant at which some end.
	sessions, _, _ := strings.Cut(text, "ephemeral nodes dump")
	return strings.Count(sessions, "\t0x")
}

// tell asks by one of the words of four letters.
func (m *ZooKeeperMember) tell(word string) (string, error) {
	var link net.Conn
	link, err := net.DialTimeout("tcp", m.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer link.Close()
	if m.tls != nil {
		config := m.tls.Clone()
		config.ServerName = "localhost"
		link = tls.Client(link, config)
	}
	link.SetDeadline(time.Now().Add(time.Second))
	if _, err := link.Write([]byte(word)); err != nil {
		return "", err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(link); err != nil && text.Len() == 0 {
		return "", err
	}
	return text.String(), nil
}

// Client returns a client of another make, for what tests look at past the code
// that they test. It is closed with the test.
func (c *ZooKeeperCluster) Client(tb testing.TB, servers ...string) *zk.Conn {
	tb.Helper()
	if len(servers) == 0 {
		servers = c.Servers()
	}
	client, events, err := zk.Connect(servers, 10*time.Second, zk.WithLogger(silent{}), zk.WithDialer(func(network, addr string, timeout time.Duration) (net.Conn, error) {
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
