package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// PatroniOptions say what a member of Patroni's is like.
type PatroniOptions struct {
	Scope, Name string
	// Store is the section of its configuration that names the store, as
	// "zookeeper: {hosts: [127.0.0.1:2181]}".
	Store string
}

// Patroni is a running member of Debian's Patroni, with a PostgreSQL of its own.
type Patroni struct {
	API    string // host:port
	Config string // path of its file, for patronictl too
	// SystemID is of its data, which all clusters of CopyCluster have in common.
	SystemID string

	child *child
}

// NewPatroni makes a member's data and configuration: it has data, as one has that
// goes on after a stop. Start starts it.
func NewPatroni(tb testing.TB, o PatroniOptions) *Patroni {
	tb.Helper()
	if _, err := exec.LookPath("patroni"); err != nil {
		tb.Fatal("no Patroni found: apt-get install --no-install-recommends patroni, and the client of its store (python3-kazoo)")
	}
	dir := ShortTempDir(tb)
	EndBelow(tb, dir) // it leaves PostgreSQL behind when it is killed
	data := filepath.Join(dir, "data")
	CopyCluster(tb, data)
	p := &Patroni{API: Addr(tb), Config: filepath.Join(dir, "patroni.yml")}
	for line := range strings.Lines(run(tb, filepath.Join(PostgresBin(tb), "pg_controldata"), data)) {
		if id, ok := strings.CutPrefix(line, "Database system identifier:"); ok {
			p.SystemID = strings.TrimSpace(id)
		}
	}
	config := fmt.Sprintf(`scope: %s
name: %s
%s
restapi: {listen: '%s'}
bootstrap: {dcs: {ttl: 20, loop_wait: 1, retry_timeout: 3}}
postgresql:
  listen: '%s'
  data_dir: %s
  bin_dir: %s
  pgpass: %s/pgpass
  parameters: {unix_socket_directories: %s}
  authentication: {superuser: {username: postgres}, replication: {username: postgres}}
`, o.Scope, o.Name, o.Store, p.API, Addr(tb), data, PostgresBin(tb), dir, dir)
	if err := os.WriteFile(p.Config, []byte(config), 0o600); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return p
}

// Start starts it; it ends with the test.
func (p *Patroni) Start(tb testing.TB) {
	tb.Helper()
	p.child = startChild(tb, p.Config+".log", "patroni", p.Config)
}

// Stop ends it and its PostgreSQL in order.
func (p *Patroni) Stop(tb testing.TB) {
	tb.Helper()
	p.child.signal(syscall.SIGTERM)
	Eventually(tb, time.Minute, "Patroni to end", func() error {
		select {
		case <-p.child.done:
			return nil
		default:
			return fmt.Errorf("it has printed:\n%s", p.Log())
		}
	})
}

// Log is what it has printed.
func (p *Patroni) Log() string {
	text, _ := os.ReadFile(p.Config + ".log")
	return string(text)
}

// Control runs patronictl and returns what it prints.
func (p *Patroni) Control(tb testing.TB, args ...string) string {
	tb.Helper()
	return run(tb, "patronictl", append([]string{"-c", p.Config}, args...)...)
}
