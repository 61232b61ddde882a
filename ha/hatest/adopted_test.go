package hatest

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
)

// process is the postmaster of a standby that serves; 0: it doesn't.
func (c *Cluster) standbyProcess(name string) int {
	if l := c.Server(name).Look(); l.Running && l.Standby && !l.Writable {
		return l.Process
	}
	return 0
}

// goesOn lets a time pass that is longer than any guard waits for a word, in which
// nobody stops a standby.
func goesOn(t *testing.T, c *Cluster, name string) {
	t.Helper()
	before := c.standbyProcess(name)
	if before == 0 {
		t.Fatalf("%s is no standby: %+v", name, c.Server(name).Look())
	}
	c.Run(time.Minute)
	if now := c.Server(name).Look().Process; now != before {
		t.Errorf("the standby of %s was process %d, and is %d: %+v", name, before, now, c.Server(name).Look())
	}
}

// TestReplicasGuardKilled: a guard that finds the server which its predecessor's
// death ends says nothing about the one that is started after that.
func TestReplicasGuardKilled(t *testing.T) {
	start(t, Options{Seed: 41}, func(t *testing.T, c *Cluster) {
		replica := c.Replicas()[0]
		before := c.Server(replica).Look().Process
		c.KillGuard(replica)
		await(t, c, 20*time.Second, "another standby there", func() bool {
			p := c.standbyProcess(replica)
			return p != 0 && p != before
		})
		goesOn(t, c, replica)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestStandbyBeforeRegent: a standby that ran before regent came goes on.
func TestStandbyBeforeRegent(t *testing.T) {
	for name, also := range map[string]func(c *Cluster, name string){
		"streaming":         func(*Cluster, string) {},
		"store unreachable": func(c *Cluster, name string) { c.CutStore(name, true, true) },
		"not streaming":     func(c *Cluster, name string) { c.CutReplication(c.Leader(), name, true) },
	} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 42}, func(t *testing.T, c *Cluster) {
				replica := c.Replicas()[0]
				c.BeforeRegent(replica)
				also(c, replica)
				c.StartAgent(replica)
				goesOn(t, c, replica)
			})
		})
	}
}

// TestStandbyBeforeRegentPromoted: a promotion that somebody asked for before regent
// came is no reason to let the server be, however long it takes.
func TestStandbyBeforeRegentPromoted(t *testing.T) {
	start(t, Options{Seed: 43}, func(t *testing.T, c *Cluster) {
		replica := c.Replicas()[0]
		c.BeforeRegent(replica)
		c.DelayReplay(replica, 5*time.Minute)
		before := c.standbyProcess(replica)
		if err := c.Server(replica).Promote(t.Context(), clock.Instant(never)); err != nil {
			t.Fatal(err)
		}
		c.StartAgent(replica)
		await(t, c, 15*time.Second, "without that server", func() bool { return c.Server(replica).Look().Process != before })
		c.DelayReplay(replica, 0)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestPrimaryBeforeRegent: a primary that ran before regent came, and whose agent
// isn't the leader, is stopped; the standby that it becomes isn't.
func TestPrimaryBeforeRegent(t *testing.T) {
	start(t, Options{Seed: 44}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		c.BeforeRegent(leader)
		c.StartAgent(leader)
		await(t, c, time.Minute, "a standby", func() bool { return c.standbyProcess(leader) != 0 })
		goesOn(t, c, leader)
	})
}
