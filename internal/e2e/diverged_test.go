package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
)

// anyLag lets a replica lead however far it is behind: the former primary's WAL
// goes further than the cluster's then.
var anyLag = map[string]any{"maximum_lag_on_failover": 1 << 30}

// divergence makes the leader's host go down with WAL that no replica has, more
// than the new leader ever writes. It returns the new leader.
func (s *scene) divergence(old *lab.Node) *lab.Node {
	s.t.Helper()
	for _, n := range s.Nodes {
		if n != old {
			s.caughtUp(old, n) // the table that is written to is on all
		}
	}
	old.CutSQL()
	s.generate(old, 4)
	last, err := old.Report(s.ctx)
	s.must(err)
	old.KillHost()
	leader := s.otherLeads(old)
	now, err := leader.Report(s.ctx)
	s.must(err)
	if now.Position >= last.Position {
		s.t.Fatalf("%s is at %d, the former primary ended at %d: nothing diverged", leader.Name, now.Position, last.Position)
	}
	return leader
}

// A former primary comes back with WAL that the cluster has not, and more of it
// than the cluster has: it is rewound and follows.
func TestDivergedRewinds(t *testing.T) {
	t.Parallel()
	s, old := start(t, lab.Options{LinkPeers: true, Dynamic: anyLag})
	s.write()
	s.divergence(old)
	s.awaitWrites()
	clones := s.clones(old)
	s.must(old.StartHost())
	if now := s.healthy(); now == old {
		t.Errorf("%s leads again", old.Name)
	}
	if s.clones(old) != clones || keptDirs(t, old) > 0 {
		t.Error("it was cloned anew instead of rewound")
	}
	if s.logged(old, "run pg_rewind with .* has ended well") == 0 {
		t.Error("it wasn't rewound")
	}
	s.judge(true) // what only the lost host had
	s.memberSays(old, "that all is well", func(state, _, problem string) bool { return state == "running" && problem == "" })
}

// The same where a rewind is not configured: it stays out, says why, and never
// leads, also when nobody else does and its agent has forgotten what it knew.
// What it alone has stays where it is.
func TestDivergedStaysOut(t *testing.T) {
	t.Parallel()
	s, old := start(t, lab.Options{Nodes: 2, LinkPeers: true, Dynamic: map[string]any{
		"maximum_lag_on_failover": 1 << 30, "postgresql": map[string]any{"use_pg_rewind": false},
	}, Node: func(_ string, config map[string]any) {
		config["postgresql"].(map[string]any)["use_pg_rewind"] = false
	}})
	s.write()
	leader := s.divergence(old)
	s.awaitWrites()
	s.must(old.StartHost())
	out := func(state, _, problem string) bool {
		return state != "running" && strings.HasPrefix(problem, "diverged: ")
	}
	s.memberSays(old, "that it has diverged", out)
	leader.KillHost()
	old.KillAgent()
	s.must(old.StartAgent())
	s.until("the leader key to end", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err == nil && c.LeaderName() != "" {
			err = fmt.Errorf("%s has it", c.LeaderName())
		}
		return err
	})
	s.never(2*s.TTL(), "the diverged one to lead", func(ctx context.Context) bool {
		c, err := s.Cluster(ctx)
		return err == nil && c.LeaderName() == old.Name
	})
	s.must(leader.StartHost())
	s.until("the other to lead again", func(ctx context.Context) error {
		now, err := s.Leader(ctx)
		if err == nil && now != leader {
			err = fmt.Errorf("%s leads", now.Name)
		}
		return err
	})
	s.memberSays(old, "that it has diverged", out)
	s.awaitWrites()
	if n := s.clones(old) + keptDirs(t, old); n > 0 {
		t.Errorf("its data directory was replaced %d times", n)
	}
}

// The same where the configuration says to clone anew: it does, and the old data
// directory is kept.
func TestDivergedClonesAnew(t *testing.T) {
	t.Parallel()
	divergedClonesAnew(t, lab.Options{Nodes: 2, LinkPeers: true, Dynamic: anyLag, Node: func(_ string, config map[string]any) {
		config["postgresql"].(map[string]any)["use_pg_rewind"] = false
		cloneDiverged("", config)
	}})
}

// cloneDiverged configures a node whose WAL has diverged and that can't be
// rewound to be cloned anew.
func cloneDiverged(_ string, config map[string]any) {
	config["postgresql"].(map[string]any)["remove_data_directory_on_diverged_timelines"] = true
}

func divergedClonesAnew(t *testing.T, o lab.Options) (s *scene, old *lab.Node) {
	s, old = start(t, o)
	s.write()
	s.divergence(old)
	s.awaitWrites()
	s.must(old.StartHost())
	if now := s.healthy(); now == old {
		t.Errorf("%s leads again", old.Name)
	}
	if kept := keptDirs(t, old); kept != 1 {
		t.Errorf("%d old data directories are kept, want 1", kept)
	}
	s.judge(true)
	return s, old
}
