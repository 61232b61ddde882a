package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// answered is longer than a guard waits for a word about a server that it found
// running, and for that server's shutdown.
const answered = 15 * time.Second

// goesOn looks whether a node's postmaster stays the one that it is.
func (s *scene) goesOn(n *lab.Node) {
	s.t.Helper()
	server := n.PostmasterPID()
	if server == 0 {
		s.t.Fatalf("no PostgreSQL runs at %s", n.Name)
	}
	s.never(answered, fmt.Sprintf("an end of the healthy standby at %s", n.Name), func(context.Context) bool {
		return n.PostmasterPID() != server
	})
}

// A replica's guard is killed: PostgreSQL ends with it, while the next guard starts.
// The standby that comes back is stopped by nobody.
func TestReplicasGuardKilled(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	server := replica.PostmasterPID()
	s.replaceGuard(replica)
	s.until("another postmaster", func(context.Context) error {
		if now := replica.PostmasterPID(); now == 0 || now == server {
			return fmt.Errorf("process %d", now)
		}
		return nil
	})
	s.healthy()
	s.goesOn(replica)
	s.judge(false)
}

// A standby that ran before regent came goes on under its agent, and streams.
func TestStandbyBeforeRegent(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	s.byHand(replica)
	server := replica.PostmasterPID()
	s.must(replica.StartAgent())
	s.healthy()
	s.goesOn(replica)
	s.judge(false)
	if now := replica.PostmasterPID(); now != server {
		t.Errorf("the postmaster was %d, is %d", server, now)
	}
}

// byHand leaves a node with its standby alone, started by hand as before regent came.
func (s *scene) byHand(n *lab.Node) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	s.must(n.StopAgent(ctx))
	s.stopped(n)
	if n.GuardPID() != 0 {
		s.must(n.KillGuard())
	}
	for _, name := range []string{"lease", "latch"} {
		for _, path := range n.RunFiles(name) {
			s.must(os.Remove(path))
		}
	}
	s.must(s.ctl(n, "start", "-w"))
}
