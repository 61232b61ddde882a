package hatest

import (
	"time"
)

// mishap is one fault, which ends by itself later.
type mishap struct {
	name string
	do   func(c *Cluster, n, other *node) (end func())
}

var mishaps = []mishap{
	{"agent killed", func(c *Cluster, n, _ *node) func() {
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
		if hangs := l.Process != 0 && !l.Running; n.guard == nil || n.guard.frozen || hangs && n.agentTroubled() {
			return nil // of agent, guard and server one must work, or it takes a watchdog
		}
		c.KillGuard(n.name)
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
	{"disk full", func(c *Cluster, n, _ *node) func() {
		c.FillDisk(n.name, true)
		return func() { c.FillDisk(n.name, false) }
	}},
	{"replay delayed", func(c *Cluster, n, _ *node) func() {
		c.DelayReplay(n.name, c.world.between(time.Second, 30*time.Second))
		return func() { c.DelayReplay(n.name, 0) }
	}},
	{"store cut", func(c *Cluster, n, _ *node) func() {
		way := c.world.rng.IntN(3)
		c.CutStore(n.name, way != 1, way != 2)
		return func() { c.CutStore(n.name, false, false) }
	}},
	{"store flaky", func(c *Cluster, n, _ *node) func() {
		c.FlakyStore(n.name, true)
		return func() { c.FlakyStore(n.name, false) }
	}},
	{"network slow", func(c *Cluster, n, _ *node) func() {
		c.SlowNetwork(n.name, c.world.between(100*time.Millisecond, 5*time.Second))
		return func() { c.SlowNetwork(n.name, 0) }
	}},
	{"store down", func(c *Cluster, _, _ *node) func() {
		c.StopStore()
		return func() { c.StartStore() }
	}},
	{"store frozen", func(c *Cluster, _, _ *node) func() {
		c.FreezeStore()
		return func() { c.StartStore() }
	}},
	{"store wiped", func(c *Cluster, _, _ *node) func() {
		if !c.quiet() {
			return nil
		}
		if err := c.WipeStore(); err != nil {
			c.fail("wipe the store: %v", err)
		}
		return nil
	}},
	{"agents cut", func(c *Cluster, n, other *node) func() {
		c.CutPeers(n.name, other.name, true)
		if c.world.chance(2) {
			c.CutPeers(other.name, n.name, true)
		}
		return func() {
			c.CutPeers(n.name, other.name, false)
			c.CutPeers(other.name, n.name, false)
		}
	}},
	{"replication cut", func(c *Cluster, n, other *node) func() {
		c.CutReplication(n.name, other.name, true)
		return func() { c.CutReplication(n.name, other.name, false) }
	}},
	{"isolated", func(c *Cluster, n, _ *node) func() {
		c.Isolate(n.name, true)
		return func() { c.Isolate(n.name, false) }
	}},
	{"switchover", func(c *Cluster, n, _ *node) func() {
		if leader := c.Leader(); leader != "" {
			to := n.name
			if to == leader || c.world.chance(2) {
				to = ""
			}
			c.world.logf("switchover from %s to %s", leader, to)
			if err := c.Switchover(leader, to); err != nil {
				c.fail("ask for a switchover: %v", err)
			}
		}
		return nil
	}},
	{"reconfigured", func(c *Cluster, _, _ *node) func() {
		config := map[string]any{"failsafe_mode": c.world.chance(2)}
		for key, value := range timings[c.world.rng.IntN(len(timings))] {
			config[key] = value
		}
		if err := c.Configure(config); err != nil {
			c.fail("write the configuration: %v", err)
		}
		return nil
	}},
	{"agent shut down", func(c *Cluster, n, _ *node) func() {
		c.Shutdown(n.name)
		return func() { c.StartAgent(n.name) }
	}},
	{"reinitialize", func(c *Cluster, n, _ *node) func() {
		c.Reinitialize(n.name)
		return nil
	}},
	{"restart", func(c *Cluster, n, _ *node) func() {
		c.Restart(n.name)
		return nil
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
