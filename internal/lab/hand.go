package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/regent-ha/regent/internal/tcpproxy"
)

// Query asks the node's PostgreSQL itself, past any link, as superuser, within a
// second.
func (n *Node) Query(ctx context.Context, sql string, into ...any) error {
	return n.query(ctx, sql, into...)
}

// Exec is Query for what has no answer.
func (n *Node) Exec(ctx context.Context, sql string) error { return n.exec(ctx, sql) }

// Configure changes the agent's own configuration, which it reads at its next
// start.
func (n *Node) Configure(change func(config map[string]any)) error {
	text, err := os.ReadFile(n.Config)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("lab: configuration of %s: %w", n.Name, err)
	}
	change(config)
	if text, err = yaml.Marshal(config); err != nil {
		return fmt.Errorf("lab: configuration of %s: %w", n.Name, err)
	}
	if err := os.WriteFile(n.Config, text, 0o600); err != nil { // it has passwords
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// RunFiles are the files of this name in the node's run directory.
func (n *Node) RunFiles(name string) []string {
	files, _ := filepath.Glob(filepath.Join(n.runDir(), "*", name))
	return files
}

// Signal sends to every process of the node whose command line has words in it,
// and returns how many there were.
func (n *Node) Signal(words string, s syscall.Signal) int {
	found := 0
	for _, r := range processes(n.Dir, n.lab.programs) {
		if strings.Contains(strings.Join(r.args, " "), words) {
			n.lab.log.Info("signalling "+words, "node", n.Name, "pid", r.pid, "signal", s.String())
			r.signal(s)
			found++
		}
	}
	return found
}

// Alive says whether a process with this number works on the node.
func (n *Node) Alive(pid int) bool {
	r, ok := look(pid)
	return ok && r.worksOn(n.Dir)
}

// CutSQL cuts off those who come to the node's PostgreSQL by its link, which
// takes Options.LinkPeers. Rejoin ends it.
func (n *Node) CutSQL() { n.sqlProxy.Cut(tcpproxy.Hang) }
