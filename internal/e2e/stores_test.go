package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// TestStores takes one cluster on each kind of store through what a cluster has
// to live through: three empty nodes, a switchover, a frozen agent, a store that
// is away, a lost host. After each step all nodes are back, the former primary
// among them.
func TestStores(t *testing.T) {
	t.Parallel()
	for _, name := range lab.StoreNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, leader := start(t, lab.Options{
				Store: findStore(t, name), Dynamic: map[string]any{"failsafe_mode": true},
			})
			s.madeOnce(leader)
			s.write()
			leader = s.step("switchover", leader, switchOver)
			leader = s.step("agent frozen", leader, freezeAgent)
			leader = s.step("store away", leader, storeAway)
			s.checkRows(false)
			s.step("host lost", leader, loseHost)
			s.judge(true)
		})
	}
}

// step does something to a cluster that is whole, measures, and returns the
// leader when it is whole again.
func (s *scene) step(name string, leader *lab.Node, do func(*scene, *lab.Node)) *lab.Node {
	s.t.Helper()
	s.began = clock.System().Now()
	do(s, leader)
	next := s.healthy()
	s.awaitWrites()
	took := clock.System().Now().Sub(s.began)
	s.t.Logf("%-12s %s -> %s, no writes for %6.2f s, whole again after %6.2f s", name, leader.Name, next.Name, s.gap().Seconds(), took.Seconds())
	return next
}

func switchOver(s *scene, leader *lab.Node) {
	to := s.others(leader)[0]
	s.ask(leader, http.MethodPost, "/switchover", fields{"leader": leader.Name, "candidate": to.Name},
		answer{200, fmt.Sprintf("Successfully switched over to %q", to.Name)})
	if now := s.healthy(); now != to {
		s.t.Errorf("%s leads, want %s", now.Name, to.Name)
	}
}

func freezeAgent(s *scene, leader *lab.Node) {
	leader.FreezeAgent()
	s.otherLeads(leader)
	s.awaitWrites()
	leader.ThawAgent()
}

// storeAway lasts longer than the lease: the members' pledges keep the leader in
// office, and clients notice nothing.
func storeAway(s *scene, leader *lab.Node) {
	before := s.logged(leader, pledged)
	s.Store.Freeze()
	s.pass(s.TTL() + 2*time.Second)
	if s.logged(leader, pledged) == before {
		s.t.Errorf("%s leads without the store and without pledges", leader.Name)
	}
	s.Store.Thaw()
	s.pass(3 * time.Second)
	if now := s.healthy(); now != leader {
		s.t.Errorf("%s leads, not %s as before", now.Name, leader.Name)
	}
	if gap := s.gap(); gap > 2*time.Second {
		s.t.Errorf("clients noticed: no write for %v", gap)
	}
}

// pledged is what a leader says that goes on without the store.
const pledged = "continue to run as a leader because failsafe mode is enabled"

func loseHost(s *scene, leader *lab.Node) {
	leader.KillHost()
	s.otherLeads(leader)
	s.awaitWrites()
	s.must(leader.StartHost())
}
