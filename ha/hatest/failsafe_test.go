package hatest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// failsafeConfig is a cluster in which what hangs on loop_wait happens soon.
func failsafeConfig(ttl int) map[string]any {
	return map[string]any{"ttl": ttl, "loop_wait": 1, "retry_timeout": 3, "failsafe_mode": true}
}

// inMap are the members of the failsafe map in the store.
func inMap(c *Cluster) []string {
	return slices.Sorted(maps.Keys(c.Cluster().Failsafe.Members))
}

// outsideTheMap loses one replica's agent for so long that the leader drops it from
// the failsafe map. Its server goes on streaming.
func outsideTheMap(t *testing.T, c *Cluster) (leader, inside, outside string) {
	t.Helper()
	leader, inside, outside = c.Leader(), c.Replicas()[0], c.Replicas()[1]
	c.KillAgent(outside)
	await(t, c, 10*time.Minute, "without "+outside+" in its failsafe map", func() bool { return !slices.Contains(inMap(c), outside) })
	c.Run(5 * time.Second) // it has read what it wrote
	return leader, inside, outside
}

// rule is what a node's agent decided last.
func rule(c *Cluster, name string) string {
	if a := c.Agent(name); a != nil {
		return a.Report().Decision.Rule
	}
	return ""
}

// TestBarredWhileTheMapIsThere: a member that isn't in the failsafe map may not
// lead beside a leader that goes on by the word of those who are, although an
// operator switches failsafe_mode off.
func TestBarredWhileTheMapIsThere(t *testing.T) {
	for name, withLeader := range map[string]bool{"the giver reads the store": false, "the giver is cut off with the leader": true} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 31, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
				leader, inside, outside := outsideTheMap(t, c)
				c.CutStore(leader, true, true)
				if withLeader {
					c.CutStore(inside, true, true)
				}
				c.Run(time.Minute)
				if c.Leader() != leader {
					t.Fatalf("%q leads, and not %s by the pledge of %s", c.Leader(), leader, inside)
				}
				for _, other := range []string{leader, inside} {
					if other == leader || withLeader {
						c.CutPeers(other, outside, true)
						c.CutPeers(outside, other, true)
					}
				}
				c.CutReplication(leader, outside, true)
				c.StartAgent(outside)
				await(t, c, time.Minute, "one with a member that is barred", func() bool { return rule(c, outside) == "election/not-in-failsafe" })
				config := failsafeConfig(20)
				config["failsafe_mode"] = false
				if err := c.Configure(config); err != nil {
					t.Fatal(err)
				}
				c.Run(2 * time.Minute)
				if c.Leader() == outside {
					t.Errorf("%s leads, which isn't in the failsafe map", outside)
				}
				for _, n := range c.Names() {
					c.Isolate(n, false)
				}
				await(t, c, 3*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
				await(t, c, time.Minute, "without a failsafe map", func() bool { return c.Document("failsafe") == nil })
			})
		})
	}
}

// TestMapWhoseAnswerIsLost: a member that the leader has added to the failsafe map,
// and doesn't know to be in it, is asked to pledge like the others.
func TestMapWhoseAnswerIsLost(t *testing.T) {
	start(t, Options{Seed: 32, Config: failsafeConfig(30)}, func(t *testing.T, c *Cluster) {
		leader, inside, outside := outsideTheMap(t, c)
		c.StartAgent(outside)
		lost := false
		c.world.before = func(what string) {
			_, there := c.Cluster().Member(outside)
			if strings.HasPrefix(what, leader+" store renew") && there && !lost {
				lost = true
				c.CutStore(leader, false, true) // what it asks arrives, and nothing comes back
			}
		}
		await(t, c, time.Minute, "one whose map names "+outside, func() bool { return slices.Contains(inMap(c), outside) })
		c.world.before = nil
		c.CutStore(leader, true, true)
		c.CutStore(inside, true, true)
		for _, other := range []string{leader, inside} {
			c.CutPeers(other, outside, true)
			c.CutPeers(outside, other, true)
		}
		await(t, c, 3*time.Minute, "led by "+outside, func() bool { return c.Leader() == outside })
		c.Run(time.Minute)
		for _, n := range c.Names() {
			c.Isolate(n, false)
		}
		await(t, c, 3*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestPledgeOutlivesABoot: the run directory is empty after a boot, which is no
// proof that no pledge was given before it.
func TestPledgeOutlivesABoot(t *testing.T) {
	start(t, Options{Seed: 33, Nodes: 2, Config: failsafeConfig(30)}, func(t *testing.T, c *Cluster) {
		leader, giver := c.Leader(), c.Replicas()[0]
		c.CutStore(leader, true, true)
		c.Run(time.Minute)
		if c.Leader() != leader {
			t.Fatalf("%q leads, and not %s by the pledge of %s", c.Leader(), leader, giver)
		}
		c.CutPeers(leader, giver, true)
		c.CutPeers(giver, leader, true)
		c.KillHost(giver)
		c.Run(2 * time.Second)
		c.BootHost(giver)
		await(t, c, 2*time.Minute, "led by "+giver, func() bool { return c.Leader() == giver })
		c.Isolate(leader, false)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestSiteBoots: where all members have booted nobody waits for pledges that
// nobody can hold.
func TestSiteBoots(t *testing.T) {
	start(t, Options{Seed: 34, Config: map[string]any{"ttl": 300, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": true}}, func(t *testing.T, c *Cluster) {
		for _, n := range c.Names() {
			c.KillHost(n)
		}
		c.Run(6 * time.Minute) // the leader key and all entries have ended
		at := c.Now()
		for _, n := range c.Names() {
			c.BootHost(n)
		}
		await(t, c, 5*time.Minute, "led", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took > 20*time.Second {
			t.Errorf("it took %v, with a ttl of 300 s", took)
		}
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// inFailsafe cuts the leader and everybody else off from the store, until the
// leader leads by pledges alone.
func inFailsafe(t *testing.T, c *Cluster) (leader string) {
	t.Helper()
	leader = c.Leader()
	c.StopStore()
	c.Run(time.Minute)
	if c.Leader() != leader {
		t.Fatalf("%q leads, and not %s by the pledges of the others", c.Leader(), leader)
	}
	return leader
}

// TestFailsafeOutlivesTheAgent: an agent that is started again in failsafe goes on
// by the pledges that the one before it was given, and asks for further ones.
func TestFailsafeOutlivesTheAgent(t *testing.T) {
	start(t, Options{Seed: 35, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
		leader := inFailsafe(t, c)
		process := c.Server(leader).Look().Process
		c.KillAgent(leader)
		c.Run(2 * time.Second)
		c.StartAgent(leader)
		c.Run(2 * time.Minute)
		if now := c.Server(leader).Look(); now.Process != process || !now.Writable {
			t.Errorf("the primary was stopped: %+v", now)
		}
		c.StartStore()
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		if c.Leader() != leader {
			t.Errorf("%s leads, and not %s", c.Leader(), leader)
		}
	})
}

// TestFailsafeStartsInPlace: a primary that dies in failsafe is started in place
// under the pledges, as it is under a lease.
func TestFailsafeStartsInPlace(t *testing.T) {
	start(t, Options{Seed: 36, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
		leader := inFailsafe(t, c)
		c.KillPostgreSQL(leader)
		await(t, c, 5*time.Second, "led by "+leader+" again", func() bool { return c.Leader() == leader })
		c.Run(2 * time.Minute)
		if c.Leader() != leader {
			t.Errorf("%q leads, and not %s", c.Leader(), leader)
		}
		c.StartStore()
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestFailsafeStatusUnknown: pledges are asked for also by a leader whose server
// doesn't say how it is.
func TestFailsafeStatusUnknown(t *testing.T) {
	start(t, Options{Seed: 37, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
		leader := inFailsafe(t, c)
		asked := false
		c.world.before = func(what string) {
			asked = asked || strings.HasPrefix(what, leader+" pledge ")
		}
		c.HangPostgreSQL(leader)
		await(t, c, 5*time.Second, "asked for pledges", func() bool { return asked })
	})
}
