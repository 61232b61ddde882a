package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/regent-ha/regent/internal/tcpproxy"
)

// Node is one member: an agent, its guard and its PostgreSQL.
type Node struct {
	Name    string
	Dir     string
	Config  string // path of the agent's configuration
	Log     string // path of the agent's log
	SQLAddr string // host:port of PostgreSQL, past any link
	APIAddr string // host:port of the REST API, past any link

	lab        *Lab
	membership membership
	storeLink  *tcpproxy.Proxy
	sqlProxy   *tcpproxy.Proxy // nil without Options.LinkPeers
	apiProxy   *tcpproxy.Proxy // nil without Options.LinkPeers
	agent      *process
	store      *storeServer // on the same host; nil without Options.Colocated

	mu   sync.Mutex
	conn *pgx.Conn // past any link; nil: not connected
}

// queryTimeout bounds every question to a node.
const queryTimeout = time.Second

// build makes the node's directory, links and configuration.
func (n *Node) build() error {
	n.Dir = filepath.Join(n.lab.Dir, n.Name)
	n.Config, n.Log = filepath.Join(n.Dir, "regent.yml"), filepath.Join(n.Dir, "regent.log")
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	var err error
	i, store := int(n.Name[0]-'a'), n.lab.Store.Endpoints
	if n.storeLink, err = tcpproxy.ListenOn(n.lab.host(i), store[i%len(store)]); err != nil {
		return err
	}
	if n.membership, err = n.lab.Store.backend.member(n.Name, n.Dir, n.storeLink.Addr); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if n.lab.options.LinkPeers {
		if n.sqlProxy, err = tcpproxy.ListenOn(n.lab.host(i), n.SQLAddr); err != nil {
			return err
		}
		if n.apiProxy, err = tcpproxy.ListenOn(n.lab.host(i), n.APIAddr); err != nil {
			return err
		}
	}
	return n.writeConfig()
}

// DataDir is PostgreSQL's.
func (n *Node) DataDir() string { return filepath.Join(n.Dir, "data") }

func (n *Node) runDir() string { return filepath.Join(n.Dir, "run") }

// ClientAddr is where others reach PostgreSQL: the link, if there is one.
func (n *Node) ClientAddr() string {
	if n.sqlProxy != nil {
		return n.sqlProxy.Addr
	}
	return n.SQLAddr
}

func (n *Node) apiLink() string {
	if n.apiProxy != nil {
		return n.apiProxy.Addr
	}
	return n.APIAddr
}

// StartAgent starts the agent if it doesn't run.
func (n *Node) StartAgent() error {
	if n.agent.pid() != 0 {
		return nil
	}
	n.lab.log.Info("starting the agent", "node", n.Name)
	argv := append(append([]string{}, n.lab.options.Agent...), n.Config)
	p, err := spawn(n.Dir, n.Log, argv, append(environment(n.lab.Dir), n.membership.env...))
	if err != nil {
		return fmt.Errorf("lab: node %s: %w", n.Name, err)
	}
	n.agent = p
	return nil
}

// Env are the variables, as NAME=value, that programs need beside the node's
// configuration to reach the store as its agent does.
func (n *Node) Env() []string { return n.membership.env }

// StopAgent ends the agent in order (SIGTERM), with PostgreSQL if that is how it
// ends, and returns when it has ended.
func (n *Node) StopAgent(ctx context.Context) error {
	n.lab.log.Info("stopping the agent", "node", n.Name)
	n.agent.signal(syscall.SIGTERM)
	return Until(ctx, "the agent of "+n.Name+" to end", func(context.Context) error {
		if pid := n.agent.pid(); pid != 0 {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
}

// AgentPID is the agent's process; 0: it doesn't run.
func (n *Node) AgentPID() int { return n.agent.pid() }

// query asks the node's PostgreSQL itself, past any link, as superuser, within a
// second.
func (n *Node) query(ctx context.Context, sql string, into ...any) error {
	return n.do(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql).Scan(into...) })
}

// exec is query for what has no answer.
func (n *Node) exec(ctx context.Context, sql string) error {
	return n.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

func (n *Node) do(ctx context.Context, work func(context.Context, *pgx.Conn) error) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if n.conn == nil {
		if n.conn, err = pgx.Connect(ctx, n.lab.ConnString(n.SQLAddr)); err != nil {
			return fmt.Errorf("lab: node %s: %w", n.Name, err)
		}
	}
	if err := work(ctx, n.conn); err != nil {
		n.disconnect()
		return fmt.Errorf("lab: node %s: %w", n.Name, err)
	}
	return nil
}

// disconnect is called with mu held.
func (n *Node) disconnect() {
	if n.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	n.conn.Close(ctx)
	n.conn = nil
}

func (n *Node) close() {
	n.mu.Lock()
	n.disconnect()
	n.mu.Unlock()
	for _, p := range []*tcpproxy.Proxy{n.storeLink, n.sqlProxy, n.apiProxy} {
		if p != nil {
			p.Close()
		}
	}
	n.agent.kill()
}

// errNobody: there is no leader.
var errNobody = errors.New("nobody holds the leader key")

// Port is PostgreSQL's, past any link.
func (n *Node) Port() string { return port(n.SQLAddr) }
