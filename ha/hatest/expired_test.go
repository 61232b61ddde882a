package hatest

import (
	"testing"
	"time"
)

// behind makes one of the two replicas lack rows that the other has.
func behind(c *Cluster) (leader, further, short string) {
	leader = c.Leader()
	further, short = c.Replicas()[0], c.Replicas()[1]
	c.CutReplication(leader, short, true)
	c.Run(5 * time.Second)
	return leader, further, short
}

// TestEntriesExpiredBeforeTheAgentsStarted: an agent that has seen nobody, in a
// store without member entries, asks those of the failsafe map, and leaves the
// lead to the one that has got further.
func TestEntriesExpiredBeforeTheAgentsStarted(t *testing.T) {
	start(t, Options{Seed: 12}, func(t *testing.T, c *Cluster) {
		leader, further, short := behind(c)
		c.KillHost(leader)
		c.KillAgent(further)
		c.KillAgent(short)
		c.Run(90 * time.Second)
		if left := c.Cluster(); len(left.Members) > 0 || left.Leader != nil || len(left.Failsafe.Members) != 3 {
			t.Fatalf("the store has %+v", left)
		}
		c.SlowNetwork(further, 200*time.Millisecond)
		c.StartAgent(further)
		c.StartAgent(short)
		await(t, c, 10*time.Second, "led", func() bool { return c.Leader() != "" })
		if c.Leader() != further {
			t.Fatalf("%s leads, and %s has more", c.Leader(), further)
		}
		c.SlowNetwork(further, 0)
		c.CutReplication(leader, short, false)
		c.BootHost(leader)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestEntriesExpiredInAnOutage: the time in which the store couldn't be read
// says nothing about who is gone.
func TestEntriesExpiredInAnOutage(t *testing.T) {
	start(t, Options{Seed: 13}, func(t *testing.T, c *Cluster) {
		if err := c.Configure(map[string]any{"failsafe_mode": false}); err != nil {
			t.Fatal(err)
		}
		leader, further, short := behind(c)
		c.StopStore()
		c.Run(2 * time.Minute)
		c.SlowNetwork(leader, 500*time.Millisecond)
		c.SlowNetwork(further, 500*time.Millisecond)
		c.StartStore()
		await(t, c, time.Minute, "led", func() bool { return c.Leader() != "" })
		if c.Leader() == short {
			t.Errorf("%s leads, which lacks rows", short)
		}
		c.CutReplication(leader, short, false)
		c.SlowNetwork(leader, 0)
		c.SlowNetwork(further, 0)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
