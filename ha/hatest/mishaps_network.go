package hatest

import (
	"time"
)

// networkMishaps befall the ways between hosts, and the store.
var networkMishaps = []mishap{
	{"store cut", func(c *Cluster, n, _ *node) func() {
		way := c.world.rng.IntN(6)
		c.CutStore(n.name, way != 1, way != 2)
		return func() { c.CutStore(n.name, false, false) }
	}},
	{"store cut in a renewal", func(c *Cluster, n, _ *node) func() {
		c.CutStoreInRenewal(n.name, c.world.chance(2))
		return func() {
			n.cutInRenewal = ""
			c.CutStore(n.name, false, false)
		}
	}},
	{"renewals' answers lost", func(c *Cluster, n, _ *node) func() {
		c.LoseRenewals(n.name, true)
		return func() { c.LoseRenewals(n.name, false) }
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
}
