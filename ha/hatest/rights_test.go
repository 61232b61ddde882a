package hatest

import (
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs/memory"
)

// expect is await for the end of a test, which then shows what happened.
func expect(t *testing.T, c *Cluster, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	if !c.Await(limit, cond) {
		t.Errorf("the cluster never became %s: %s, %v", what, c.Healthy(), c.Err())
	}
}

// termLost lets the leader, which leads by pledges, hear from the store that its
// lease is over, and nothing after that: it is cut off when it tries for the key again.
func termLost(t *testing.T, c *Cluster, leader string) {
	t.Helper()
	told := false
	c.world.before = func(what string) {
		if what == leader+" store acquire" && !told {
			told = true
			c.CutStore(leader, true, true)
		}
	}
	await(t, c, 30*time.Second, "one whose leader knows that its lease is over", func() bool { return told })
	c.world.before = nil
	if c.Leader() != leader {
		t.Fatalf("%q leads, and not %s", c.Leader(), leader)
	}
}

// TestKeyGoneUnderPledges: a leader by pledges that has heard that its key is gone,
// and then hears nothing any more, is stopped before the pledges end.
func TestKeyGoneUnderPledges(t *testing.T) {
	for _, how := range []string{"no guard", "frozen guard", "control"} {
		for seed := uint64(1); seed <= 12; seed++ {
			t.Run(fmt.Sprintf("%s/%d", how, seed), func(t *testing.T) {
				config := map[string]any{"ttl": 30, "loop_wait": 1, "retry_timeout": 10, "failsafe_mode": true}
				start(t, Options{Seed: seed, Config: config, NoFence: how == "no guard"}, func(t *testing.T, c *Cluster) {
					leader, others := c.Leader(), c.Replicas()
					c.CutStore(leader, true, true)
					c.Run(time.Minute)
					if how != "control" { // which never hears of it
						c.CutStore(leader, false, false)
						termLost(t, c, leader)
					}
					if how != "no guard" {
						c.FreezeGuard(leader)
					}
					c.CutStore(leader, true, true)
					for _, other := range others {
						c.CutPeers(leader, other, true)
						c.CutPeers(other, leader, true)
					}
					expect(t, c, 3*time.Minute, "led by another", func() bool { return c.Leader() != "" && c.Leader() != leader })
				})
			})
		}
	}
}

// TestRefusalNamesAnother: a store that says that another member holds the key is
// obeyed at once, whatever was pledged.
func TestRefusalNamesAnother(t *testing.T) {
	start(t, Options{Seed: 41, Config: failsafeConfig(30)}, func(t *testing.T, c *Cluster) {
		leader, others := c.Leader(), c.Replicas()
		c.CutStore(leader, true, true)
		c.Run(time.Minute)
		// A member whose program forgets its word takes the key.
		forgetful, err := c.store.server.Open(memory.Options{Path: c.path, Name: others[0], TTL: 30 * time.Second, Clock: trueClock{c.world}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := forgetful.AttemptToAcquireLeader(noWait); err != nil {
			t.Fatal(err)
		}
		c.CutStore(leader, false, false)
		await(t, c, 30*time.Second, "one whose leader knows that its lease is over", func() bool {
			return c.Agent(leader).Report().LeadsUntil.IsZero()
		})
		c.CutStore(leader, true, true)
		c.Run(5 * time.Second)
		if c.Leader() == leader {
			t.Errorf("%s takes writes 5 s after the store told it that %s holds the key", leader, others[0])
		}
	})
}

// TestTTLLoweredAndBoot: a member that has booted doesn't know with which ttl it has
// pledged before.
func TestTTLLoweredAndBoot(t *testing.T) {
	start(t, Options{Seed: 42, Nodes: 2, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
		leader, giver := c.Leader(), c.Replicas()[0]
		if err := c.Configure(failsafeConfig(100)); err != nil {
			t.Fatal(err)
		}
		c.Run(time.Minute)
		c.CutStore(leader, true, true)
		c.Run(150 * time.Second)
		if c.Leader() != leader {
			t.Fatalf("%q leads, and not %s by the pledge of %s", c.Leader(), leader, giver)
		}
		if err := c.Configure(failsafeConfig(20)); err != nil {
			t.Fatal(err)
		}
		c.Run(5 * time.Second)
		c.CutPeers(leader, giver, true)
		c.CutPeers(giver, leader, true)
		c.KillHost(giver)
		c.Run(2 * time.Second)
		c.BootHost(giver)
		expect(t, c, 3*time.Minute, "led by "+giver, func() bool { return c.Leader() == giver })
		c.Isolate(leader, false)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestNoPledgesOfAnAgentThatStarts: an agent that takes over a server that may take
// writes until its guard ends it doesn't say that no pledges count.
func TestNoPledgesOfAnAgentThatStarts(t *testing.T) {
	for at := 21500 * time.Millisecond; at < 28500*time.Millisecond; at += 500 * time.Millisecond {
		t.Run(at.String(), func(t *testing.T) {
			start(t, Options{Seed: 43, Nodes: 2, Config: failsafeConfig(30)}, func(t *testing.T, c *Cluster) {
				leader, giver := c.Leader(), c.Replicas()[0]
				c.CutStore(leader, true, true)
				c.Run(time.Minute)
				if c.Leader() != leader {
					t.Fatalf("%q leads, and not %s by the pledge of %s", c.Leader(), leader, giver)
				}
				n := c.node(leader)
				until := n.agent.Report().LeadsUntil
				round := until.Add(-25200 * time.Millisecond) // about
				c.CutPeers(leader, giver, true)
				c.CutPeers(giver, leader, true)
				c.KillHost(giver)
				c.Run(time.Second)
				c.BootHost(giver)
				c.Run(5 * time.Second)
				c.HangPostgreSQL(leader)
				c.Run(round.Add(at - 500*time.Millisecond).Sub(n.clock.Now()))
				c.KillAgent(leader)
				c.Run(500 * time.Millisecond)
				c.StartAgent(leader)
				c.CutPeers(leader, giver, false)
				c.CutPeers(giver, leader, false)
				expect(t, c, 3*time.Minute, "led by "+giver, func() bool { return c.Leader() == giver })
			})
		})
	}
}
