package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// The store is away for longer than the lease, all members reach one another:
// clients notice nothing, also not when it comes back with the lease gone.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	for _, a := range []away{storeFrozen, storeKilled} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.play(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": true}})
		})
	}
}

// away is a time without the store.
type away struct {
	name            string
	leave, comeBack func(*scene)
}

var (
	storeFrozen = away{"frozen", func(s *scene) { s.Store.Freeze() }, func(s *scene) { s.Store.Thaw() }}
	storeKilled = away{"killed", func(s *scene) { s.Store.Kill() }, func(s *scene) { s.must(s.Store.Start(s.ctx)) }}
)

func (a away) play(t *testing.T, o lab.Options) {
	s, leader := start(t, o)
	s.write()
	a.leave(s)
	s.awaitLog(leader, "continue to run as a leader because failsafe mode is enabled")
	s.pass(12 * time.Second)
	a.comeBack(s)
	s.awaitLog(leader, "done: acquire|no action. I am")
	s.pass(3 * time.Second)
	if now := s.healthy(); now != leader {
		t.Errorf("%s leads, not %s as before", now.Name, leader.Name)
	}
	s.judge(false)
	if gap := s.gap(); gap > 2*time.Second {
		t.Errorf("clients noticed: no write for %v", gap)
	}
}

// Without failsafe the primary demotes in time and comes back with the store.
func TestStoreFrozenWithoutFailsafe(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": false}})
	s.write()
	s.Store.Freeze()
	s.takesNoWrites(leader)
	s.Store.Thaw()
	s.judge(false)
}

// Failsafe with a member missing: its pledge is missing too, and the primary demotes.
func TestFailsafeMemberMissing(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": true}})
	s.write()
	missing := s.others(leader)[0]
	missing.KillHost()
	s.Store.Freeze()
	s.takesNoWrites(leader)
	s.Store.Thaw()
	s.must(missing.StartHost())
	s.judge(false)
}

// Only the primary has lost the store. The others could elect one of them, but
// have pledged: nothing happens.
func TestFailsafeStoreVisibleToOthers(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": true}})
	s.write()
	leader.CutStore()
	s.pass(12 * time.Second)
	leader.Rejoin()
	if now := s.healthy(); now != leader {
		t.Errorf("%s leads, not %s as before", now.Name, leader.Name)
	}
	s.judge(false)
}

// An acceptor's agent is killed right after its pledge and starts again: it is
// still bound. Nothing is acknowledged on both sides.
func TestFailsafeAcceptorRestarts(t *testing.T) {
	t.Parallel()
	s, leader := pledgedTo(t)
	acceptor := s.others(leader)[0]
	for range 3 {
		acceptor.KillAgent()
		s.must(acceptor.StartAgent())
		s.pass(1500 * time.Millisecond)
	}
	leader.Rejoin()
	s.judge(false)
}

// A leader by pledges whose guard is frozen and whose postmaster hangs, when a pledge
// is missing: its agent ends the server, sessions that stand included, before any
// other is elected.
func TestFailsafeGuardFrozenServerHangs(t *testing.T) {
	t.Parallel()
	s, leader := pledgedTo(t)
	s.must(leader.FreezeGuard())
	s.must(leader.FreezePostgres())
	missing := s.others(leader)[0]
	missing.KillHost()
	s.stopped(leader)
	s.otherLeads(leader)
	s.must(leader.ThawGuard())
	leader.Rejoin()
	s.must(missing.StartHost())
	s.judge(true)
}

// pledgedTo is a cluster whose leader has lost the store and leads by pledges.
func pledgedTo(t *testing.T) (*scene, *lab.Node) {
	t.Helper()
	s, leader := start(t, lab.Options{Dynamic: map[string]any{"failsafe_mode": true}})
	s.write()
	leader.CutStore()
	s.awaitLog(leader, "continue to run as a leader because failsafe mode is enabled")
	return s, leader
}

func (s *scene) takesNoWrites(n *lab.Node) {
	s.t.Helper()
	s.until(n.Name+" to stop taking writes", func(ctx context.Context) error {
		if ok, err := n.Writable(ctx); err == nil && ok {
			return errors.New("it takes them")
		}
		return nil
	})
}

// pass lets time go by that the fault itself needs, with the writers going on.
func (s *scene) pass(d time.Duration) {
	s.t.Helper()
	until := clock.System().Now().Add(d)
	timer := clock.System().NewTimer(until)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-s.ctx.Done():
		s.t.Fatal(s.ctx.Err())
	}
}
