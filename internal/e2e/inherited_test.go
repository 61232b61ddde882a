package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/postgres"
)

// An agent that was started with libpq's variables and a file that is open makes
// a cluster all the same, and neither reaches the guard or PostgreSQL. What other
// programs' variables say does.
func TestInherited(t *testing.T) {
	t.Parallel()
	left := filepath.Join(t.TempDir(), "left-open")
	script := fmt.Sprintf("export PGHOST=203.0.113.1 PGPORT=1 PGSERVICE=nowhere PGOPTIONS='-c default_transaction_read_only=on' PGSSLMODE=verify-full PGCONNECT_TIMEOUT=1 PGBACKREST_STANZA=shop\n"+
		"exec 7>%q\nexec \"$0\" \"$@\"", left)
	s, leader := start(t, lab.Options{Nodes: 2, Agent: []string{"/bin/sh", "-c", script, os.Getenv(daemonVar), "run"}})
	s.write()
	s.judge(false)
	if !holds(t, leader.AgentPID(), left) {
		t.Error("the agent itself wasn't started with the open file")
	}
	for _, n := range s.Nodes {
		for what, pid := range map[string]int{"guard": n.GuardPID(), "postmaster": n.PostmasterPID()} {
			if holds(t, pid, left) {
				t.Errorf("the %s of %s has the file open that its agent was started with", what, n.Name)
			}
			environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			s.must(err)
			for entry := range strings.SplitSeq(string(environment), "\x00") {
				if name, _, _ := strings.Cut(entry, "="); postgres.LibpqVariable(name) {
					t.Errorf("the %s of %s has libpq's variable %s", what, n.Name, entry)
				}
			}
			// An archive_command may need it.
			if what == "postmaster" && !strings.Contains(string(environment), "PGBACKREST_STANZA=shop") {
				t.Errorf("the %s of %s lacks PGBACKREST_STANZA: %q", what, n.Name, environment)
			}
		}
	}
}

// holds says whether a process has a file open.
func holds(t *testing.T, pid int, path string) bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if target, _ := os.Readlink(filepath.Join(dir, fd.Name())); target == path {
			return true
		}
	}
	return false
}
