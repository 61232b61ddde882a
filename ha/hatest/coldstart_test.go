package hatest

import (
	"slices"
	"testing"
	"time"

	"github.com/regent-ha/regent/postgres/postgrestest"
)

// darkened is a site that has lost its power, and its store all that was in it. One
// member lacks what was acknowledged in the last five minutes.
type darkened struct {
	stale, further, leader string
	rows                   []postgrestest.Row // that were acknowledged, and that others than the stale one have
}

func darken(t *testing.T, c *Cluster) darkened {
	t.Helper()
	d := darkened{leader: c.Leader(), stale: c.Replicas()[0], further: c.Replicas()[1]}
	c.CutReplication(d.leader, d.stale, true)
	c.Run(5 * time.Minute)
	for _, name := range c.Names() {
		c.KillHost(name)
	}
	c.CutReplication(d.leader, d.stale, false)
	for _, w := range c.ledger.rows {
		if !c.Server(d.stale).Has(w.row) {
			d.rows = append(d.rows, w.row)
		}
	}
	if len(d.rows) < 1000 {
		t.Fatalf("%s lacks %d rows only", d.stale, len(d.rows))
	}
	if err := c.WipeStore(); err != nil {
		t.Fatal(err)
	}
	c.Run(time.Minute)
	return d
}

// kept says whether the leader has every row that was acknowledged before.
func (d darkened) kept(t *testing.T, c *Cluster) {
	t.Helper()
	leader := c.Server(c.Leader())
	lost := slices.DeleteFunc(slices.Clone(d.rows), leader.Has)
	if len(lost) > 0 {
		t.Errorf("%s leads without %d of %d rows that were acknowledged, and that %s and %s have; %s was behind",
			c.Leader(), len(lost), len(d.rows), d.further, d.leader, d.stale)
	}
}

// TestColdStart: all hosts boot over a store that was emptied, within ten seconds,
// and the one that is far behind boots first. It waits for those that it knew.
func TestColdStart(t *testing.T) {
	start(t, Options{Seed: 21}, func(t *testing.T, c *Cluster) {
		d := darken(t, c)
		c.BootHost(d.stale)
		c.Run(5 * time.Second)
		c.BootHost(d.further)
		c.Run(5 * time.Second)
		c.BootHost(d.leader)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		d.kept(t, c)
	})
}

// TestColdStartOfAStaleMemberHalfASecondEarlier: what counts is not who is up first.
func TestColdStartOfAStaleMemberHalfASecondEarlier(t *testing.T) {
	start(t, Options{Seed: 22}, func(t *testing.T, c *Cluster) {
		d := darken(t, c)
		c.BootHost(d.stale)
		c.Run(500 * time.Millisecond)
		c.BootHost(d.further)
		c.BootHost(d.leader)
		at := c.Now()
		await(t, c, 2*time.Minute, "led", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took > 5*time.Second {
			t.Errorf("all were there, and it took %v until somebody led", took)
		}
		d.kept(t, c)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestColdStartWithoutOne: a member that doesn't come back is waited for for one
// ttl, once.
func TestColdStartWithoutOne(t *testing.T) {
	start(t, Options{Seed: 23}, func(t *testing.T, c *Cluster) {
		d := darken(t, c)
		c.BootHost(d.stale)
		c.BootHost(d.further)
		at := c.Now()
		await(t, c, 2*time.Minute, "led", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took < 29*time.Second || took > 33*time.Second || c.Leader() != d.further {
			t.Errorf("%s leads after %v, with a ttl of 30 s", c.Leader(), took)
		}
		c.KillAgent(d.stale)
		c.StartAgent(d.stale) // it knows of a cluster with a leader now
		c.Run(time.Minute)
		at = c.Now()
		c.KillHost(d.further)
		await(t, c, time.Minute, "led by "+d.stale, func() bool { return c.Leader() == d.stale })
		if took := c.Now() - at; took > 31*time.Second {
			t.Errorf("an election like any other took %v", took)
		}
		c.BootHost(d.further)
		c.BootHost(d.leader)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestColdStartAlone: a member that knew nobody doesn't wait.
func TestColdStartAlone(t *testing.T) {
	start(t, Options{Seed: 24, Nodes: 1}, func(t *testing.T, c *Cluster) {
		c.KillHost("n1")
		if err := c.WipeStore(); err != nil {
			t.Fatal(err)
		}
		c.Run(time.Minute)
		c.BootHost("n1")
		await(t, c, 2*time.Second, "led", func() bool { return c.Leader() == "n1" })
	})
}

// TestColdStartAgentsKilledInBetween: who was known isn't forgotten by an agent that
// has seen the emptied store and ends.
func TestColdStartAgentsKilledInBetween(t *testing.T) {
	start(t, Options{Seed: 25}, func(t *testing.T, c *Cluster) {
		d := darken(t, c)
		c.BootHost(d.stale)
		c.Run(8 * time.Second)
		c.KillAgent(d.stale)
		c.StartAgent(d.stale)
		c.Run(8 * time.Second)
		c.BootHost(d.further)
		c.BootHost(d.leader)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		d.kept(t, c)
	})
}

// TestColdStartOfAFormerLeader: a leader that was lost has more WAL than the one that
// took over had come to, and has missed the promotion. What was acknowledged since
// then is on the later timeline.
func TestColdStartOfAFormerLeader(t *testing.T) {
	start(t, Options{Seed: 26}, func(t *testing.T, c *Cluster) {
		former, others := c.Leader(), c.Replicas()
		for _, other := range others {
			c.CutReplication(former, other, true)
		}
		c.Run(1500 * time.Millisecond)
		c.KillHost(former)
		await(t, c, time.Minute, "led by another", func() bool { return c.Leader() != "" })
		c.Run(500 * time.Millisecond)
		var since []postgrestest.Row
		for _, w := range c.ledger.rows {
			if w.on != former {
				since = append(since, w.row)
			}
		}
		if c.ledger.everyone == nil || len(since) == 0 {
			t.Fatal("the test is to lose something")
		}
		newer := c.Leader()
		before := c.Server(former).Look().End
		for _, name := range others {
			c.KillHost(name)
		}
		if after := c.Server(newer).Look().End; after >= before {
			t.Fatalf("%s is at %v, and %s only at %v", newer, after, former, before)
		}
		for _, other := range others {
			c.CutReplication(former, other, false)
		}
		if err := c.WipeStore(); err != nil {
			t.Fatal(err)
		}
		c.Run(time.Minute)
		for _, name := range c.Names() {
			c.BootHost(name)
		}
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		if lost := slices.DeleteFunc(since, c.Server(c.Leader()).Has); len(lost) > 0 {
			t.Errorf("%s leads without %d rows that were acknowledged by %s after it took over from %s", c.Leader(), len(lost), newer, former)
		}
	})
}
