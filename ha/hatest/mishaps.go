package hatest

import (
	"slices"
	"time"
)

// mishap is one fault, which ends by itself later.
type mishap struct {
	name string
	do   func(c *Cluster, n, other *node) (end func())
}

// often are the faults of which several must meet before a cluster is in trouble: they
// are drawn three times as often as others, and those after which pledges count, or are
// forgotten, six times.
var often = []string{
	"host lost", "container restarted", "power lost", "guard silent", "store cut", "store cut in a renewal",
	"agents cut", "replication cut", "isolated", "switchover", "failsafe toggled",
}

// draws are what a draw of one fault is made from.
func draws() (all []mishap) {
	for _, m := range mishaps {
		all = append(all, m)
		switch {
		case m.name == "store cut", m.name == "container restarted":
			all = append(all, m, m, m, m, m)
		case contains(often, m.name):
			all = append(all, m, m)
		}
	}
	return all
}

var mishaps = slices.Concat(hostMishaps, networkMishaps, orderMishaps)

// hostMishaps befall what runs on a host, or all hosts.
var hostMishaps = []mishap{
	{"agent killed", func(c *Cluster, n, _ *node) func() {
		if n.guardTroubled() && n.orphaned() && !c.opts.NoFence {
			return nil
		}
		c.KillAgent(n.name)
		return func() { c.StartAgent(n.name) }
	}},
	{"agent restarted", func(c *Cluster, n, _ *node) func() {
		c.KillAgent(n.name)
		c.StartAgent(n.name)
		return nil
	}},
	{"agent frozen", func(c *Cluster, n, _ *node) func() {
		if n.guardTroubled() {
			return nil
		}
		c.FreezeAgent(n.name)
		return func() { c.ThawAgent(n.name) }
	}},
	{"guard killed", func(c *Cluster, n, _ *node) func() {
		l := n.inner.Look()
		hangs := l.Process != 0 && !l.Running
		if n.guard == nil || n.guard.frozen || (hangs || n.orphaned()) && n.agentTroubled() {
			return nil // of agent, guard and server one must work, or it takes a watchdog
		}
		c.KillGuard(n.name)
		return nil
	}},
	{"guard late", func(c *Cluster, n, _ *node) func() {
		c.SlowGuard(n.name, c.world.between(300*time.Millisecond, 3*time.Second))
		return func() { c.SlowGuard(n.name, 0) }
	}},
	{"guard silent", func(c *Cluster, n, _ *node) func() {
		c.MuteGuard(n.name)
		return func() { c.UnmuteGuard(n.name) }
	}},
	{"server adopted", func(c *Cluster, n, _ *node) func() {
		if n.guardTroubled() || n.agentTroubled() {
			return nil
		}
		c.OrphanServer(n.name)
		return nil
	}},
	{"run directory full", func(c *Cluster, n, _ *node) func() {
		c.FillRunDir(n.name, true)
		return func() { c.FillRunDir(n.name, false) }
	}},
	{"agents restarted", func(c *Cluster, _, _ *node) func() {
		for _, n := range c.nodes {
			if n.down || n.frozen || n.spared || n.absent || n.guardTroubled() && n.orphaned() {
				continue
			}
			c.KillAgent(n.name)
			c.StartAgent(n.name)
		}
		return nil
	}},
	{"container restarted", func(c *Cluster, n, _ *node) func() {
		c.StopContainer(n.name)
		c.world.in(c.world.between(100*time.Millisecond, 5*time.Second), "", func() { c.StartContainer(n.name) })
		return nil
	}},
	{"power lost", func(c *Cluster, _, _ *node) func() {
		c.LosePower(c.world.between(10*time.Second, 30*time.Second), c.world.chance(2))
		return nil
	}},
	{"guard frozen", func(c *Cluster, n, _ *node) func() {
		if n.process == nil || n.process.frozen {
			return nil
		}
		c.FreezeGuard(n.name)
		n.spared = true
		return func() {
			c.ThawGuard(n.name)
			n.spared = false
		}
	}},
	{"host lost", func(c *Cluster, n, _ *node) func() {
		c.KillHost(n.name)
		return func() { c.BootHost(n.name) }
	}},
	{"host frozen", func(c *Cluster, n, _ *node) func() {
		c.FreezeHost(n.name)
		return func() { c.ThawHost(n.name) }
	}},
	{"postgresql killed", func(c *Cluster, n, _ *node) func() {
		c.KillPostgreSQL(n.name)
		return nil
	}},
	{"postgresql hangs", func(c *Cluster, n, _ *node) func() {
		if !n.guardTroubled() || !n.agentTroubled() {
			c.HangPostgreSQL(n.name)
		}
		return nil
	}},
	{"queries fail", func(c *Cluster, n, _ *node) func() {
		c.FailQueries(n.name, 1+c.world.rng.IntN(3))
		return nil
	}},
	{"disk full", func(c *Cluster, n, _ *node) func() {
		c.FillDisk(n.name, true)
		return func() { c.FillDisk(n.name, false) }
	}},
	{"replay delayed", func(c *Cluster, n, _ *node) func() {
		c.DelayReplay(n.name, c.world.between(time.Second, 30*time.Second))
		return func() { c.DelayReplay(n.name, 0) }
	}},
}

// quiet says whether every agent reaches every other and the store. Who removes
// the leader key by hand takes the lease's word back, and only the agents' own
// questions to one another keep two primaries apart then.
func (c *Cluster) quiet() bool {
	for _, n := range c.nodes {
		if n.process == nil || n.process.frozen || n.down || n.toStoreCut || n.fromStoreCut || n.slow > 0 {
			return false
		}
		for _, other := range c.nodes {
			if c.peersCut(n, other) {
				return false
			}
		}
	}
	return c.store.mode == storeUp
}

// guardTroubled says whether the guard can't stand in for the agent now.
func (n *node) guardTroubled() bool { return n.guard == nil || n.guard.dead || n.guard.frozen }

// orphaned says whether a server runs that the kernel won't stop with its guard.
func (n *node) orphaned() bool {
	return n.inner.Look().Process != 0 && (n.guard == nil || !n.guard.forked)
}

// agentTroubled says whether the agent can't stand in for the guard now.
func (n *node) agentTroubled() bool { return n.process == nil || n.process.frozen }

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
