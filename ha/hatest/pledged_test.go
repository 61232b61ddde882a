package hatest

import (
	"testing"
	"time"
)

// pledgedTo lets the leader go on by the word of the others.
func pledgedTo(t *testing.T, c *Cluster) (leader string, others []string) {
	t.Helper()
	leader, others = c.Leader(), c.Replicas()
	if err := c.Configure(map[string]any{"ttl": 30, "loop_wait": 1, "retry_timeout": 3, "failsafe_mode": true}); err != nil {
		t.Fatal(err)
	}
	c.Run(10 * time.Second)
	c.CutStore(leader, true, true)
	c.Run(time.Minute)
	if c.Leader() != leader {
		t.Fatalf("%q leads rather than %s", c.Leader(), leader)
	}
	return leader, others
}

// TestFrozenGuardUnderPledges: a primary that leads by pledges, whose postmaster
// hangs and whose guard is frozen, is ended by its agent before the pledges end.
func TestFrozenGuardUnderPledges(t *testing.T) {
	start(t, Options{Seed: 15}, func(t *testing.T, c *Cluster) {
		leader, others := pledgedTo(t, c)
		c.FreezeGuard(leader)
		c.HangPostgreSQL(leader)
		for _, other := range others {
			c.CutPeers(leader, other, true)
		}
		await(t, c, time.Minute, "led by another", func() bool { return c.Leader() != "" && c.Leader() != leader })
	})
}

// TestTTLLoweredUnderPledges: who pledges to a leader that doesn't know of a shorter
// ttl keeps still for as long as that leader counts on it.
func TestTTLLoweredUnderPledges(t *testing.T) {
	start(t, Options{Seed: 16}, func(t *testing.T, c *Cluster) {
		leader, others := pledgedTo(t, c)
		if err := c.Configure(map[string]any{"ttl": 5, "loop_wait": 1, "retry_timeout": 1, "failsafe_mode": true}); err != nil {
			t.Fatal(err)
		}
		c.Run(30 * time.Second)
		for _, other := range others {
			c.CutPeers(leader, other, true)
		}
		await(t, c, time.Minute, "led by another", func() bool { return c.Leader() != "" && c.Leader() != leader })
	})
}

// TestAgentRestartedWithFrozenGuard: an agent that starts, and can't reach the guard
// of the one before, stops the primary when that guard should.
func TestAgentRestartedWithFrozenGuard(t *testing.T) {
	start(t, Options{Seed: 17}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		c.KillAgent(leader)
		c.FreezeGuard(leader)
		c.StartAgent(leader)
		await(t, c, 3*time.Minute, "led by another", func() bool { return c.Leader() != "" && c.Leader() != leader })
		c.ThawGuard(leader)
		await(t, c, 3*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
