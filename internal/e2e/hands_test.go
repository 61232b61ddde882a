package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

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
