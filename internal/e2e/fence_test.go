package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// stopped waits until no PostgreSQL runs on a node.
func (s *scene) stopped(n *lab.Node) {
	s.t.Helper()
	s.until("PostgreSQL of "+n.Name+" to be stopped", func(context.Context) error {
		if pid := n.PostmasterPID(); pid != 0 {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
}

// ctl is what somebody does by hand to the PostgreSQL of a node.
func (s *scene) ctl(n *lab.Node, words ...string) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(testenv.PostgresBin(s.t), "pg_ctl"), append(words, "-D", n.DataDir(), "-l", n.DataDir()+".log")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl %v: %w: %s", words, err, out)
	}
	return nil
}

// fenced waits until the guard has fired, which comes after the fast shutdown, and
// is done.
func (s *scene) fenced(n *lab.Node) {
	s.t.Helper()
	s.until("a fence", func(context.Context) error {
		_, err := os.Stat(filepath.Join(n.DataDir(), "standby.signal"))
		return err
	})
	s.stopped(n)
}

// reaped waits until those who left lock files beside a node's sockets are no more,
// not even as zombies: PostgreSQL would take them for servers that run.
func (s *scene) reaped(n *lab.Node) {
	s.t.Helper()
	locks, err := filepath.Glob(filepath.Join(n.Dir, ".s.PGSQL.*.lock"))
	s.must(err)
	for _, lock := range locks {
		text, err := os.ReadFile(lock)
		s.must(err)
		pid, _, _ := strings.Cut(string(text), "\n")
		s.until("the end of process "+pid, func(context.Context) error {
			if _, err := os.Stat("/proc/" + strings.TrimSpace(pid)); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return errors.New("it is there")
		})
	}
}

// After a fence somebody starts PostgreSQL by hand. Without standby.signal it is
// killed, with it it is read-only, and promoted it ends: no write is taken. Under
// its agent it comes back.
func TestByHandAfterFence(t *testing.T) {
	t.Parallel()
	s, old := start(t, lab.Options{Nodes: 2})
	s.write()
	old.FreezeAgent()
	s.otherLeads(old)
	s.fenced(old)
	s.must(os.Remove(filepath.Join(old.DataDir(), "standby.signal")))
	if err := s.ctl(old, "start", "-W"); err != nil {
		t.Logf("killed already: %v", err)
	}
	s.fenced(old)
	// It may have been killed before it wrote into its lock file; PostgreSQL leaves
	// an empty one to whoever starts it by hand.
	if err := os.Remove(filepath.Join(old.DataDir(), "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	s.reaped(old)
	s.must(s.ctl(old, "start", "-w"))
	if ok, err := old.Writable(t.Context()); err != nil || ok {
		t.Errorf("started by hand it takes writes: %v, %v", ok, err)
	}
	if err := s.ctl(old, "promote", "-W"); err != nil {
		t.Logf("killed already: %v", err)
	}
	s.stopped(old)
	s.awaitWrites()
	old.ThawAgent()
	s.judge(false)
}

// replaceGuard kills a node's guard and waits for the next one.
func (s *scene) replaceGuard(n *lab.Node) {
	s.t.Helper()
	before := n.GuardPID()
	s.must(n.KillGuard())
	s.until("another guard", func(context.Context) error {
		if now := n.GuardPID(); now == 0 || now == before {
			return fmt.Errorf("process %d", now)
		}
		return nil
	})
}

// The guard of the primary is killed: PostgreSQL ends with it, and the agent
// starts both again.
func TestGuardKilled(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{})
	s.write()
	s.replaceGuard(leader)
	s.judge(false)
}

// The primary's guard is killed and replaced, twice: the deadlines that the dead
// ones were told stop nothing.
func TestReplacedGuardNeverFires(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	for range 2 {
		s.replaceGuard(leader)
		leader = s.healthy()
		s.awaitWrites()
	}
	server := leader.PostmasterPID()
	s.pass(2 * s.TTL())
	if now := leader.PostmasterPID(); now != server {
		t.Errorf("the postmaster was %d, is %d: somebody stopped it", server, now)
	}
	s.judge(false)
}

// The ttl is lowered while the primary's agent freezes, before and after it has
// seen the change: the shorter lease never ends before its server.
func TestTTLLoweredWhileFrozen(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, TTL: 9 * time.Second})
	s.write()
	for i, delay := range []time.Duration{0, 150 * time.Millisecond} {
		s.must(s.Reconfigure(s.ctx, map[string]any{"ttl": 7 - 2*i}))
		s.pass(delay)
		leader.FreezeAgent()
		next := s.otherLeads(leader)
		s.awaitWrites()
		leader.ThawAgent()
		s.healthy()
		leader = next
	}
	s.judge(false)
}

// The primary's machine is started anew and finds the lease file of its last
// boot: it proves nothing. The key with its name is another's until it ends.
func TestRebootWithOldLease(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, TTL: 9 * time.Second})
	s.write()
	leader.KillHost()
	leases := leader.RunFiles("lease")
	if len(leases) != 1 {
		t.Fatalf("lease files: %v, want one", leases)
	}
	text, err := os.ReadFile(leases[0])
	s.must(err)
	var record map[string]any
	s.must(json.Unmarshal(text, &record))
	if record["boot_id"] == "" || record["boot_id"] == nil {
		t.Fatalf("the lease file names no boot: %s", text)
	}
	record["boot_id"] = "00000000-0000-0000-0000-000000000000"
	text, err = json.Marshal(record)
	s.must(err)
	s.must(os.WriteFile(leases[0], text, 0o600))
	s.must(leader.StartHost())
	s.awaitLog(leader, "the leader key has my name, and its grant is not one of mine")
	if n := s.logged(leader, "resumed the lease"); n > 0 {
		t.Error("it resumed a lease of another boot")
	}
	s.judge(true)
}

// The agent is killed right after it asked for the promotion of a server that
// still has WAL to replay: the server never takes a write after the lease has
// ended, though it was told to.
func TestAgentKilledWhilePromoting(t *testing.T) {
	t.Parallel()
	s, old := start(t, lab.Options{Nodes: 2})
	s.write()
	heir := s.others(old)[0]
	if heir.Signal("startup", syscall.SIGSTOP) == 0 {
		t.Fatal("the replica has no startup process")
	}
	old.KillHost()
	s.awaitLog(heir, "done: promote")
	heir.KillAgent()
	s.until("the lease to end", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err == nil && c.Leader != nil {
			err = errors.New("it hasn't")
		}
		return err
	})
	heir.Signal("startup", syscall.SIGCONT) // if it were still there it would end its recovery now
	if pid := heir.PostmasterPID(); pid != 0 {
		t.Errorf("its PostgreSQL still runs: process %d", pid)
	}
	s.must(old.StartHost())
	s.until("the former leader to lead again", func(ctx context.Context) error {
		_, err := s.Leader(ctx)
		return err
	})
	s.must(heir.StartAgent())
	s.judge(true)
}
