package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// hook makes every node run something at a moment of its server's life.
func hook(name, command string) func(string, map[string]any) {
	return func(_ string, config map[string]any) {
		config["postgresql"].(map[string]any)[name] = command
	}
}

// What runs before a promotion takes longer than a lease: that is renewed meanwhile, and
// the promotion comes under it.
func TestPrePromoteOutlastsALease(t *testing.T) {
	t.Parallel()
	s, old := start(t, lab.Options{Nodes: 2, Node: hook("pre_promote", "sleep 12")})
	s.write()
	heir := s.others(old)[0]
	old.KillHost()
	s.otherLeads(old)
	if n := s.logged(heir, "acquire"); n == 0 || s.logged(heir, "the lease was not renewed in time|releasing the leader key") > 0 {
		t.Error("it didn't lead under the lease that it had won")
	}
	s.must(old.StartHost())
	s.judge(true)
}

// A primary whose leader key is gone is stopped at once, whatever is to run before that.
func TestBeforeStopHoldsNoDemotionUp(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, TTL: 20 * time.Second, RetryTimeout: 3 * time.Second, Node: hook("before_stop", "sleep 600")})
	s.write()
	server := leader.PostmasterPID()
	begin := clock.System().Now()
	s.must(s.Wipe(s.ctx))
	s.until("the end of that server", func(context.Context) error {
		if leader.PostmasterPID() == server {
			return fmt.Errorf("process %d runs", server)
		}
		return nil
	})
	if d := clock.System().Now().Sub(begin); d > 10*time.Second {
		t.Errorf("it took %v; the guard would have stopped it after 17 s", d)
	}
	s.judge(true)
}
