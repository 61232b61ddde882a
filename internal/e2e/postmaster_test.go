package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// slowPolls makes everything slow that must not be waited for.
func slowPolls(s *scene, more map[string]any) {
	s.t.Helper()
	changes := map[string]any{
		"ttl": 80, "loop_wait": 60, "retry_timeout": 5,
		"postgresql": map[string]any{"parameters": map[string]any{"wal_retrieve_retry_interval": "60s"}},
	}
	for key, value := range more {
		changes[key] = value
	}
	s.must(s.Reconfigure(s.ctx, changes))
	for _, n := range s.Nodes {
		s.until(n.Name+" to take the configuration over", func(ctx context.Context) error {
			interval, err := n.Setting(ctx, "wal_retrieve_retry_interval")
			if err == nil && interval != "1min" {
				err = fmt.Errorf("it has %s", interval)
			}
			return err
		})
	}
}

// The primary's postmaster is killed: it is started in place, at once, and the
// standbys stream again without waiting for a poll of theirs.
func TestPostmasterKilled(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{})
	slowPolls(s, nil)
	s.write()
	killed := clock.System().Now()
	s.must(leader.KillPostgres())
	s.awaitWrites()
	if back := s.healthy(); back != leader {
		t.Errorf("%s leads, not %s as before", back.Name, leader.Name)
	}
	if took := clock.System().Now().Sub(killed); took > 20*time.Second {
		t.Errorf("healthy again after %v: something waited for a poll", took)
	}
	s.judge(false)
	after, err := s.Cluster(t.Context())
	s.must(err)
	if len(after.History.Lines) > 0 {
		t.Errorf("a new timeline: %+v", after.History.Lines)
	}
}

// The same with primary_start_timeout 0: a replica is promoted at once, and the
// old primary follows it.
func TestPostmasterKilledFailOver(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{})
	slowPolls(s, map[string]any{"primary_start_timeout": 0})
	s.write()
	killed := clock.System().Now()
	s.must(leader.KillPostgres())
	s.otherLeads(leader)
	if took := clock.System().Now().Sub(killed); took > 20*time.Second {
		t.Errorf("another leads after %v: something waited for a poll", took)
	}
	s.judge(true) // the crash takes what had not been sent to a replica
}
