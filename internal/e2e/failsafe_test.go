package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// The host of a member that has pledged boots anew: its run directory is empty, and it
// can't reach the leader, which goes on by that pledge until it ends. Nothing is
// acknowledged on both sides.
func TestFailsafeAcceptorBoots(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, TTL: 10 * time.Second, LinkPeers: true, Dynamic: map[string]any{"failsafe_mode": true}})
	s.write()
	leader.CutStore()
	s.awaitLog(leader, "continue to run as a leader because failsafe mode is enabled")
	s.pass(12 * time.Second) // the leader key has ended

	acceptor := s.others(leader)[0]
	leader.Isolate()
	acceptor.KillHost()
	s.must(emptyRunDir(acceptor))
	acceptor.StoreLink().Heal()
	s.must(acceptor.StartAgent())
	s.otherLeads(leader)
	leader.Rejoin()
	acceptor.Rejoin()
	s.judge(true)
}

// emptyRunDir removes what a boot removes: /run is a tmpfs.
func emptyRunDir(n *lab.Node) error {
	left, err := filepath.Glob(filepath.Join(n.Dir, "run", "*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// An agent that is killed in failsafe and starts again, without a store to ask, goes
// on by the pledges that the one before it was given: clients notice nothing.
func TestFailsafeLeadersAgentRestarts(t *testing.T) {
	t.Parallel()
	s, leader := inFailsafe(t)
	postmaster := leader.PostmasterPID()
	for range 3 {
		leader.KillAgent()
		s.must(leader.StartAgent())
		s.pass(4 * time.Second)
	}
	if now := leader.PostmasterPID(); now != postmaster {
		t.Errorf("the postmaster is process %d, and was %d", now, postmaster)
	}
	s.Store.Thaw()
	if now := s.healthy(); now != leader {
		t.Errorf("%s leads, not %s as before", now.Name, leader.Name)
	}
	s.judge(false)
	if gap := s.gap(); gap > 2*time.Second {
		t.Errorf("clients noticed: no write for %v", gap)
	}
}

// A postmaster that is killed in failsafe is started in place.
func TestFailsafePostmasterKilled(t *testing.T) {
	t.Parallel()
	s, leader := inFailsafe(t)
	s.must(leader.KillPostgres())
	s.until("the primary to take writes again", func(ctx context.Context) error {
		ok, err := leader.Writable(ctx)
		if err == nil && !ok {
			err = errors.New("it is a standby")
		}
		return err
	})
	s.pass(8 * time.Second)
	s.Store.Thaw()
	if now := s.healthy(); now != leader {
		t.Errorf("%s leads, not %s as before", now.Name, leader.Name)
	}
	s.judge(false)
}

// inFailsafe is a cluster whose store has been away for longer than its lease.
func inFailsafe(t *testing.T) (*scene, *lab.Node) {
	t.Helper()
	s, leader := start(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": true}})
	s.write()
	s.Store.Freeze()
	s.awaitLog(leader, "continue to run as a leader because failsafe mode is enabled")
	s.pass(8 * time.Second)
	return s, leader
}
