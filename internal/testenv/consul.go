package testenv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/internal/servers"
)

// ConsulOptions say what a Consul is like; the zero value is one server without
// TLS and without access control.
type ConsulOptions struct {
	Servers int
	// Agent adds an agent that is no server, as runs beside a member.
	Agent bool
	// TLS makes it serve HTTPS alone and demand certificates of a CA made for the
	// test.
	TLS bool
	// ACL makes it deny everything that a token doesn't allow.
	ACL bool
	// SessionTTLMin is the least TTL of a session: 1 s by default, where Consul's
	// own default is 10 s.
	SessionTTLMin time.Duration
}

// ConsulCluster is a running Consul.
type ConsulCluster struct {
	Servers []*ConsulAgent
	Agent   *ConsulAgent // nil without ConsulOptions.Agent
	// TLS is what clients connect with; nil without ConsulOptions.TLS.
	TLS *tls.Config
	// Certificates is the folder with ca.crt, client.crt and client.key that TLS
	// was made of; empty without it.
	Certificates string
	// Token may do everything; empty without ConsulOptions.ACL.
	Token string
}

// ConsulAgent is one process of it.
type ConsulAgent struct {
	Name string
	Addr string // host:port for clients

	tb     testing.TB
	args   []string
	log    string
	server string // address of its RPC, for servers
	child  *child
}

// Consul starts a Consul (scripts/servers builds it) that ends with the test, and
// returns when it serves.
func Consul(tb testing.TB, o ConsulOptions) *ConsulCluster {
	tb.Helper()
	program, dir := server(tb, "consul"), tb.TempDir()
	c := &ConsulCluster{}
	if o.ACL {
		c.Token = "11111111-2222-3333-4444-555555555555"
	}
	var tlsSection map[string]any
	if o.TLS {
		ca := newAuthority(tb, dir)
		c.TLS, c.Certificates = ca.clientConfig(tb, ""), dir
		tlsSection = ca.consulSection(tb)
	}
	c.plan(tb, program, dir, o, tlsSection)
	for _, a := range c.all() {
		a.Start()
	}
	c.WaitHealthy(tb)
	return c
}

// plan makes the agents' command lines.
func (c *ConsulCluster) plan(tb testing.TB, program, dir string, o ConsulOptions, tlsSection map[string]any) {
	tb.Helper()
	var agents []servers.ConsulAgent
	var lan []string
	count := max(o.Servers, 1)
	for i := range count + 1 {
		if i == count && !o.Agent {
			break
		}
		a := servers.ConsulAgent{
			Name: fmt.Sprintf("c%d", i), Dir: dir, HTTP: Port(tb), Serf: Port(tb), Servers: count,
			SessionTTLMin: max(o.SessionTTLMin, time.Second),
		}
		if i < count {
			a.Server = Port(tb)
		}
		if tlsSection != nil {
			a.Ports = map[string]int{"http": -1, "https": a.HTTP}
		}
		a.Settings = c.settings(tlsSection)
		agents, lan = append(agents, a), append(lan, fmt.Sprintf("127.0.0.1:%d", a.Serf))
	}
	for i, a := range agents {
		a.Join = lan
		args, err := a.Args(program)
		if err != nil {
			tb.Fatalf("testenv: %v", err)
		}
		known := &ConsulAgent{tb: tb, Name: a.Name, Addr: fmt.Sprintf("127.0.0.1:%d", a.HTTP), args: args, log: filepath.Join(dir, a.Name+".log")}
		if i == count {
			c.Agent = known
			break
		}
		known.server = fmt.Sprintf("127.0.0.1:%d", a.Server)
		c.Servers = append(c.Servers, known)
	}
}

// settings are what an agent has beyond the usual.
func (c *ConsulCluster) settings(tlsSection map[string]any) map[string]any {
	// Else Consul takes a server out for good that was frozen for some seconds, and
	// ends the sessions of its node.
	settings := map[string]any{"autopilot": map[string]any{"cleanup_dead_servers": false}}
	if tlsSection != nil {
		settings["tls"] = tlsSection
	}
	if c.Token != "" {
		settings["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny",
			"tokens": map[string]any{"initial_management": c.Token, "agent": c.Token},
		}
	}
	return settings
}

// consulSection makes Consul serve TLS on 127.0.0.1 and ask clients for a
// certificate.
func (a *authority) consulSection(tb testing.TB) map[string]any {
	cert, key := a.issue(tb, "server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "consul"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return map[string]any{"https": map[string]any{
		"ca_file": filepath.Join(a.dir, "ca.crt"), "cert_file": cert, "key_file": key, "verify_incoming": true,
	}}
}

func (c *ConsulCluster) all() []*ConsulAgent {
	if c.Agent == nil {
		return c.Servers
	}
	return append(c.Servers[:len(c.Servers):len(c.Servers)], c.Agent)
}

// WaitHealthy returns when every agent that runs reaches a leader and is known
// to it.
func (c *ConsulCluster) WaitHealthy(tb testing.TB) {
	tb.Helper()
	for _, a := range c.all() {
		client := c.Client(tb, a)
		Eventually(tb, 30*time.Second, "Consul to serve", func() error {
			if err := a.child.died(); err != nil {
				tb.Fatal(err)
			}
			return servers.ConsulServes(context.Background(), client, a.Name)
		})
	}
}

// Client returns Consul's own client of one agent, for what tests look at past
// the code that they test. It keeps no connections.
func (c *ConsulCluster) Client(tb testing.TB, a *ConsulAgent) *api.Client {
	tb.Helper()
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	client, err := api.NewClient(&api.Config{
		Address: a.Addr, Scheme: scheme, Token: c.Token,
		HttpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: c.TLS}},
	})
	if err != nil {
		tb.Fatalf("testenv: connect to Consul: %v", err)
	}
	return client
}

// NewToken makes a token with these rules, in a Consul with access control.
func (c *ConsulCluster) NewToken(tb testing.TB, name, rules string) string {
	tb.Helper()
	acl := c.Client(tb, c.Servers[0]).ACL()
	policy, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	if err != nil {
		tb.Fatalf("testenv: make a policy of Consul: %v", err)
	}
	token, _, err := acl.TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}}, nil)
	if err != nil {
		tb.Fatalf("testenv: make a token of Consul: %v", err)
	}
	return token.SecretID
}

// Leader is the server that leads, as the server asked sees it.
func (c *ConsulCluster) Leader(tb testing.TB, asked *ConsulAgent) *ConsulAgent {
	tb.Helper()
	addr, err := c.Client(tb, asked).Status().Leader()
	if err != nil {
		tb.Fatalf("testenv: ask who leads: %v", err)
	}
	for _, a := range c.Servers {
		if a.server == addr {
			return a
		}
	}
	tb.Fatalf("testenv: no server leads: %q", addr)
	return nil
}

// Kill ends the agent with SIGKILL. Its data stays.
func (a *ConsulAgent) Kill() { a.child.kill() }

// Start starts it, again or for the first time, on the same address and data.
func (a *ConsulAgent) Start() {
	a.tb.Helper()
	a.child = startChild(a.tb, a.log, a.args[0], a.args[1:]...)
}

// Freeze stops the process where it stands: it keeps its connections and answers
// nothing.
func (a *ConsulAgent) Freeze() {
	a.tb.Helper()
	a.child.freeze(a.tb)
}

// Thaw lets it go on.
func (a *ConsulAgent) Thaw() { a.child.thaw() }
