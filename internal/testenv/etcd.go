package testenv

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/regent-ha/regent/internal/servers"
)

// EtcdOptions say what an etcd cluster is like; the zero value is one member
// without TLS and without authentication.
type EtcdOptions struct {
	Members int
	// TLS makes it serve and demand certificates of a CA made for the test.
	TLS bool
	// Password, if set, turns authentication on, for root and for the user
	// "regent" who may do everything below /service/, both with this password.
	Password string
	// Election is the election timeout, by default 500 ms. One and a half of it,
	// in whole seconds, is the shortest TTL that etcd grants.
	Election time.Duration
	// V2 makes it serve API v2 as well. Password then is one of API v2, which has
	// users of its own.
	V2 bool
	// Args are added to each member's command line.
	Args []string
}

// EtcdCluster is a running etcd.
type EtcdCluster struct {
	Members []*EtcdMember
	// TLS is what clients connect with; nil without EtcdOptions.TLS.
	TLS *tls.Config
	// Certificates is the folder with ca.crt, client.crt and client.key that TLS
	// was made of; empty without it.
	Certificates string
	// Username and Password of a client; empty without EtcdOptions.Password.
	Username, Password string

	ca *authority
}

// EtcdMember is one server of it.
type EtcdMember struct {
	Addr     string // host:port for clients
	PeerAddr string // host:port for the other servers

	tb    testing.TB
	args  []string
	data  string
	log   string
	child *child
}

// Etcd starts an etcd cluster (Debian's etcd-server) that ends with the test, and
// returns when it serves.
func Etcd(tb testing.TB, o EtcdOptions) *EtcdCluster {
	tb.Helper()
	program, err := servers.FindPackaged("etcd", "etcd-server")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	c := &EtcdCluster{}
	scheme, dir := "http", tb.TempDir()
	var certificates []string
	if o.TLS {
		scheme = "https"
		c.ca = newAuthority(tb, dir)
		c.TLS, c.Certificates = c.ca.clientConfig(tb, ""), dir
		certificates = c.ca.serverArgs(tb)
	}
	c.plan(tb, program, scheme, dir, o, certificates)
	for _, m := range c.Members {
		m.child = startChild(tb, m.log, m.args[0], m.args[1:]...)
	}
	c.WaitHealthy(tb)
	if o.Password != "" {
		enable := c.enableAuth
		if o.V2 {
			enable = c.enableAuthV2
		}
		enable(tb, o.Password)
	}
	return c
}

// plan makes the members' command lines.
func (c *EtcdCluster) plan(tb testing.TB, program, scheme, dir string, o EtcdOptions, certificates []string) {
	election := o.Election
	if election <= 0 {
		election = 500 * time.Millisecond
	}
	var peers, initial []string
	for i := range max(o.Members, 1) {
		data := filepath.Join(dir, fmt.Sprintf("m%d", i))
		c.Members = append(c.Members, &EtcdMember{tb: tb, Addr: Addr(tb), PeerAddr: Addr(tb), data: data, log: data + ".log"})
		peers = append(peers, "http://"+c.Members[i].PeerAddr)
		initial = append(initial, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	for i, m := range c.Members {
		m.args = append(servers.EtcdMember{
			Name: fmt.Sprintf("m%d", i), Dir: m.data, Client: scheme + "://" + m.Addr, Peer: peers[i],
			InitialCluster: strings.Join(initial, ","), Token: dir, V2: o.V2,
		}.Args(program), "--heartbeat-interval", fmt.Sprint(election.Milliseconds()/10), "--election-timeout", fmt.Sprint(election.Milliseconds()))
		m.args = append(append(m.args, certificates...), o.Args...)
	}
}

// Endpoints are the addresses of all members.
func (c *EtcdCluster) Endpoints() []string {
	var addrs []string
	for _, m := range c.Members {
		addrs = append(addrs, m.Addr)
	}
	return addrs
}

// WaitHealthy returns when a majority is there and every member reaches it.
func (c *EtcdCluster) WaitHealthy(tb testing.TB) {
	tb.Helper()
	for _, m := range c.Members {
		client := c.Client(tb, m.Addr)
		Eventually(tb, 30*time.Second, "etcd to serve", func() error {
			if err := m.child.died(); err != nil {
				tb.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := client.Get(ctx, "/service/") // linearizable: a majority was asked
			return err
		})
		client.Close()
	}
}

// Client returns etcd's own client, for what tests look at past the code that
// they test. It is closed with the test at the latest.
func (c *EtcdCluster) Client(tb testing.TB, endpoints ...string) *clientv3.Client {
	tb.Helper()
	if len(endpoints) == 0 {
		endpoints = c.Endpoints()
	}
	return c.client(tb, clientv3.Config{Endpoints: endpoints, Username: c.Username, Password: c.Password})
}

func (c *EtcdCluster) client(tb testing.TB, o clientv3.Config) *clientv3.Client {
	tb.Helper()
	o.TLS, o.Logger = c.TLS, zap.NewNop()
	o.DialTimeout, o.DialOptions = 20*time.Second, []grpc.DialOption{grpc.WithIdleTimeout(0)}
	client, err := clientv3.New(o)
	if err != nil {
		tb.Fatalf("testenv: connect to etcd: %v", err)
	}
	tb.Cleanup(func() { client.Close() })
	return client
}

func (c *EtcdCluster) enableAuth(tb testing.TB, password string) {
	tb.Helper()
	client := c.Client(tb)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must := func(_ any, err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("testenv: enable etcd's authentication: %v", err)
		}
	}
	must(client.UserAdd(ctx, "root", password))
	must(client.UserGrantRole(ctx, "root", "root"))
	must(client.RoleAdd(ctx, "ha"))
	must(client.RoleGrantPermission(ctx, "ha", "/service/", clientv3.GetPrefixRangeEnd("/service/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(client.UserAdd(ctx, "regent", password))
	must(client.UserGrantRole(ctx, "regent", "ha"))
	must(client.AuthEnable(ctx))
	c.Username, c.Password = "regent", password
}

// Kill ends the server with SIGKILL. Its data stays.
func (m *EtcdMember) Kill() { m.child.kill() }

// Start starts it again, on the same address and data.
func (m *EtcdMember) Start() {
	m.tb.Helper()
	m.child = startChild(m.tb, m.log, m.args[0], m.args[1:]...)
}

// Freeze stops the process where it stands: it keeps its connections and
// answers nothing.
func (m *EtcdMember) Freeze() {
	m.tb.Helper()
	m.child.freeze(m.tb)
}

// Thaw lets it go on.
func (m *EtcdMember) Thaw() { m.child.thaw() }
