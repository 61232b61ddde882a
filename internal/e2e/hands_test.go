package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// What tests do to servers with their own hands.

// receive stops a replica's WAL receiver, or lets it go on.
func (s *scene) receive(n *lab.Node, on bool) {
	s.t.Helper()
	signal := syscall.SIGSTOP
	if on {
		signal = syscall.SIGCONT
	}
	if n.Signal("walreceiver", signal) == 0 {
		s.t.Fatalf("%s has no WAL receiver", n.Name)
	}
}

// behind gives the leader WAL that the replicas don't get, more than
// maximum_lag_on_failover is by default.
func (s *scene) behind(leader *lab.Node, replicas ...*lab.Node) {
	s.t.Helper()
	for _, n := range replicas {
		s.receive(n, false)
	}
	s.generate(leader, 4)
}

// generate writes megabytes of WAL.
func (s *scene) generate(n *lab.Node, megabytes int) {
	s.t.Helper()
	for range megabytes {
		s.must(n.Exec(s.ctx, "select pg_logical_emit_message(true, 'test', repeat('x', 1 << 20))"))
	}
}

// removeWAL makes the leader remove the segment of WAL that it writes now.
func (s *scene) removeWAL(leader *lab.Node) {
	s.t.Helper()
	var segment string
	s.must(leader.Query(s.ctx, "select pg_walfile_name(pg_current_wal_lsn())", &segment))
	for range 4 {
		s.generate(leader, 1)
		s.must(leader.Exec(s.ctx, "select pg_switch_wal()"))
	}
	s.until("the leader to remove "+segment, func(ctx context.Context) error {
		if err := leader.Exec(ctx, "checkpoint"); err != nil {
			return err
		}
		var there bool
		err := leader.Query(ctx, "select exists (select from pg_ls_waldir() where name = '"+segment+"')", &there)
		if err == nil && there {
			err = errors.New("it is there")
		}
		return err
	})
}

// caughtUp waits until the replica has received what the leader has now.
func (s *scene) caughtUp(leader, replica *lab.Node) {
	s.t.Helper()
	r, err := leader.Report(s.ctx)
	s.must(err)
	s.until(replica.Name+" to catch up", func(ctx context.Context) error {
		now, err := replica.Report(ctx)
		if err == nil && now.Position < r.Position {
			err = fmt.Errorf("it is at %d, %s was at %d", now.Position, leader.Name, r.Position)
		}
		return err
	})
}

// clones is how many copies of another member a node has made.
func (s *scene) clones(n *lab.Node) int {
	s.t.Helper()
	return s.logged(n, "run clone with .* has ended well")
}

// keptDirs is how many data directories have made room for another.
func keptDirs(t *testing.T, n *lab.Node) int {
	t.Helper()
	kept, err := filepath.Glob(n.DataDir() + ".failed-*Z")
	if err != nil {
		t.Fatal(err)
	}
	return len(kept)
}

// never looks for as long as that whether something happens that must not.
func (s *scene) never(within time.Duration, what string, happens func(context.Context) bool) {
	s.t.Helper()
	for until := clock.System().Now().Add(within); clock.System().Now() < until; {
		if happens(s.ctx) {
			s.t.Fatalf("it came to %s", what)
		}
		s.pass(50 * time.Millisecond)
	}
}

// pendingRestart waits until a member says that settings wait for a restart.
func (s *scene) pendingRestart(n *lab.Node) {
	s.t.Helper()
	s.until("a setting of "+n.Name+" to wait for a restart", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err != nil {
			return err
		}
		if m, _ := c.Member(n.Name); len(m.PendingRestart) == 0 {
			return errors.New("none does")
		}
		return nil
	})
}

// ends waits for the end of an agent.
func (s *scene) ends(n *lab.Node) {
	s.t.Helper()
	s.until("the agent of "+n.Name+" to end", func(context.Context) error {
		if pid := n.AgentPID(); pid != 0 {
			return fmt.Errorf("process %d runs", pid)
		}
		return nil
	})
}
