package hatest

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/postgres/postgrestest"
)

// quickTimeout ends a connection of replication that is cut before a dozen rows are
// written.
var quickTimeout = postgrestest.Speed{Timeout: time.Second}

// keeps fails the test if leader doesn't lead again within limit, or a row that was
// acknowledged is lost.
func keeps(t *testing.T, c *Cluster, leader string, limit time.Duration) {
	t.Helper()
	c.Run(time.Second)
	await(t, c, limit, "led by "+leader+" again", func() bool { return c.Leader() != "" })
	if c.Leader() != leader {
		t.Errorf("%s leads, not %s", c.Leader(), leader)
	}
	if c.ledger.lost > 0 {
		t.Errorf("%d acknowledged rows are lost", c.ledger.lost)
	}
}

// cleared waits until a request for another leader has had its answer.
func cleared(t *testing.T, c *Cluster) {
	t.Helper()
	await(t, c, 10*time.Second, "free of requests", func() bool { return !c.Cluster().Failover.Requested() })
}

// TestSwitchoverWithBrokenReplication: the candidate lacks rows, fewer than the lag
// that a leader may have, and gets no more. The leader leads on, and keeps them.
func TestSwitchoverWithBrokenReplication(t *testing.T) {
	for _, named := range []bool{true, false} {
		start(t, Options{Seed: 41, Nodes: 2, Speed: quickTimeout}, func(t *testing.T, c *Cluster) {
			leader, other := c.Leader(), c.Replicas()[0]
			to := ""
			if named {
				to = other
			}
			c.CutReplication(leader, other, true)
			c.Run(1200 * time.Millisecond)
			if err := c.Switchover(leader, to); err != nil {
				t.Fatal(err)
			}
			keeps(t, c, leader, 10*time.Second)
			cleared(t, c)
			c.CutReplication(leader, other, false)
			await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
			c.Run(time.Second)
			if err := c.Switchover(leader, other); err != nil {
				t.Fatal(err)
			}
			await(t, c, 10*time.Second, "led by "+other, func() bool { return c.Leader() == other })
		})
	}
}

// TestSwitchoverWhileTheReplicaRestarts: the only replica is restarted in order after
// it has said that it could lead. It comes back without the leader's last rows.
func TestSwitchoverWhileTheReplicaRestarts(t *testing.T) {
	start(t, Options{Seed: 42, Nodes: 2, Speed: quickTimeout}, func(t *testing.T, c *Cluster) {
		leader, other := c.Leader(), c.Replicas()[0]
		c.world.before = func(what string) {
			if what == leader+" postgresql stop fast" {
				c.world.before = nil
				c.node(other).inner.Interrupt()
				c.KillAgent(other)
				c.FreezeAgent(leader)
				c.world.in(900*time.Millisecond, "", func() { c.ThawAgent(leader) })
				c.world.in(time.Second, "", func() { c.StartAgent(other) })
			}
		}
		if err := c.Switchover(leader, other); err != nil {
			t.Fatal(err)
		}
		keeps(t, c, leader, 10*time.Second)
		cleared(t, c)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestSwitchoverLosesNothingToAThird: one of two replicas lacks rows. It doesn't lead
// after a switchover to anybody, and not when it is a moment ahead of the other either.
func TestSwitchoverLosesNothingToAThird(t *testing.T) {
	start(t, Options{Seed: 43, Speed: quickTimeout}, func(t *testing.T, c *Cluster) {
		leader, further, short := aBitBehind(c)
		c.SlowNetwork(further, 300*time.Millisecond)
		if err := c.Switchover(leader, ""); err != nil {
			t.Fatal(err)
		}
		await(t, c, 10*time.Second, "led by "+further, func() bool { return c.Leader() != "" && c.Leader() != leader })
		if c.Leader() != further || c.ledger.lost > 0 {
			t.Errorf("%s leads, not %s, and %d acknowledged rows are lost", c.Leader(), further, c.ledger.lost)
		}
		c.SlowNetwork(further, 0)
		c.CutReplication(leader, short, false)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestFailoverKeepsItsRule: a failover that names its candidate takes it although it
// lacks rows.
func TestFailoverKeepsItsRule(t *testing.T) {
	start(t, Options{Seed: 44, Nodes: 2, Speed: quickTimeout}, func(t *testing.T, c *Cluster) {
		leader, other := c.Leader(), c.Replicas()[0]
		c.CutReplication(leader, other, true)
		c.Run(1200 * time.Millisecond)
		if err := c.Switchover("", other); err != nil {
			t.Fatal(err)
		}
		await(t, c, 10*time.Second, "led by "+other, func() bool { return c.Leader() == other })
	})
}

// TestShutdownWithBrokenReplication: an agent that is told to end doesn't wait for
// long for somebody who has all that its server wrote.
func TestShutdownWithBrokenReplication(t *testing.T) {
	start(t, Options{Seed: 45, Nodes: 2, Speed: quickTimeout}, func(t *testing.T, c *Cluster) {
		leader, other := c.Leader(), c.Replicas()[0]
		c.CutReplication(leader, other, true)
		c.Run(1200 * time.Millisecond)
		c.Shutdown(leader)
		await(t, c, 10*time.Second, "led by "+other, func() bool { return c.Leader() == other })
		await(t, c, 10*time.Second, "left by "+leader, func() bool { return c.Agent(leader) == nil })
	})
}
