package hatest

import (
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/fence"
)

// KillHost is the loss of a host: agent, guard and server end at once, and
// nobody is told.
func (c *Cluster) KillHost(name string) {
	n := c.node(name)
	c.world.logf("fault: %s host lost", name)
	c.dataFault()
	n.down, n.contained = true, false
	n.endAll()
	n.inner.Crash()
	n.lease, n.leaseEnd = noLease, 0
}

// BootHost brings a lost host back and starts its agent. Its run directory is
// empty: /run is a tmpfs.
func (c *Cluster) BootHost(name string) {
	n := c.node(name)
	if !n.down || n.contained {
		return
	}
	c.world.logf("fault: %s host boots", name)
	n.down = false
	n.boots++
	n.emptyRunDir()
	n.clock.boot = c.world.time()
	n.inner.Boot()
	n.startAgent()
}

// KillAgent is SIGKILL to the agent alone.
func (c *Cluster) KillAgent(name string) {
	c.world.logf("fault: %s agent killed", name)
	c.node(name).killAgent()
}

// StartAgent starts one where none runs.
func (c *Cluster) StartAgent(name string) { c.node(name).startAgent() }

// Join starts the agent of a node that wasn't there before.
func (c *Cluster) Join(name string) {
	n := c.node(name)
	if n.absent {
		c.world.logf("%s joins", name)
		n.absent = false
		n.startAgent()
	}
}

// FreezeAgent stops the agent alone, at whatever point it is.
func (c *Cluster) FreezeAgent(name string) {
	if p := c.node(name).process; p != nil {
		c.world.logf("fault: %s agent frozen", name)
		p.freeze()
	}
}

// ThawAgent lets it go on where it was.
func (c *Cluster) ThawAgent(name string) {
	if p := c.node(name).process; p != nil && p.frozen {
		c.world.logf("fault: %s agent thawed", name)
		p.thaw()
	}
}

// KillGuard is SIGKILL to the guard.
func (c *Cluster) KillGuard(name string) {
	if g := c.node(name).guard; g != nil {
		c.world.logf("fault: %s guard killed", name)
		g.die()
	}
}

// BeforeRegent makes a host one that runs a server and nothing else, as before regent
// came: whoever started that server, it is no guard's child, and the run directory is
// empty.
func (c *Cluster) BeforeRegent(name string) {
	n := c.node(name)
	c.world.logf("fault: %s server alone, as before regent", name)
	n.killAgent()
	if n.guard != nil {
		n.guard.forked = false
		n.guard.die()
		n.guard = nil
	}
	n.notes, n.latch = notes{}, fence.Latch{}
}

// FreezeGuard stops the guard alone.
func (c *Cluster) FreezeGuard(name string) {
	if g := c.node(name).guard; g != nil {
		c.world.logf("fault: %s guard frozen", name)
		g.frozen = true
	}
}

// ThawGuard lets it go on.
func (c *Cluster) ThawGuard(name string) {
	if g := c.node(name).guard; g != nil && g.frozen {
		c.world.logf("fault: %s guard thawed", name)
		g.thaw()
	}
}

// FreezeHost stops everything on a host.
func (c *Cluster) FreezeHost(name string) {
	n := c.node(name)
	c.world.logf("fault: %s host frozen", name)
	c.dataFault()
	n.frozen = true
	n.inner.Freeze()
	if n.guard != nil {
		n.guard.frozen = true
	}
	if n.process != nil {
		n.process.freeze()
	}
}

// ThawHost lets everything on it go on. The guard comes first.
func (c *Cluster) ThawHost(name string) {
	c.world.logf("fault: %s host thawed", name)
	c.node(name).thawHost()
}

func (n *node) thawHost() {
	if !n.frozen {
		return
	}
	n.frozen, n.thawedAt = false, n.cluster.world.time()
	if n.guard != nil {
		n.guard.thaw()
	}
	n.inner.Thaw()
	if n.process != nil {
		n.process.thaw()
	}
	if n.wanted {
		n.wanted = false
		n.startAgent()
	}
}

func (n *node) killAgent() {
	if p := n.process; p != nil {
		p.kill()
		synctest.Wait() // its goroutines end before another agent begins
		n.agentGone(p)
	}
}

// KillPostgreSQL is SIGKILL to every process of the server.
func (c *Cluster) KillPostgreSQL(name string) {
	c.world.logf("fault: %s PostgreSQL killed", name)
	c.dataFault()
	c.node(name).inner.Kill()
}

// HangPostgreSQL makes the postmaster answer nobody.
func (c *Cluster) HangPostgreSQL(name string) {
	c.world.logf("fault: %s PostgreSQL hangs", name)
	c.dataFault()
	c.node(name).inner.Hang()
}

// FillDisk leaves no room for WAL, or makes some.
func (c *Cluster) FillDisk(name string, full bool) {
	c.world.logf("fault: %s disk full %t", name, full)
	c.dataFault()
	n := c.node(name)
	n.full = full
	n.inner.FillDisk(full)
}

// SlowServer makes calls of an agent on its server take that much longer, by the names
// that the trace shows ("slots"); 0: no longer. Deaf ones don't end with their context,
// as what waits for a disk that hangs.
func (c *Cluster) SlowServer(name string, d time.Duration, deaf bool, calls ...string) {
	c.world.logf("fault: %s calls of the server %v take %v longer", name, calls, d)
	n := c.node(name)
	n.deafCalls = deaf
	for _, call := range calls {
		n.slowCalls[call] = d
	}
}

// ForbidPromotion makes what a node runs before a promotion fail.
func (c *Cluster) ForbidPromotion(name string, forbids bool) {
	c.world.logf("fault: %s forbids its promotion %t", name, forbids)
	c.node(name).forbids = forbids
}

// FailQueries lets the next status queries of a node's server fail, as when no
// connection is left for them.
func (c *Cluster) FailQueries(name string, next int) {
	c.world.logf("fault: %s next %d status queries fail", name, next)
	c.node(name).failQueries = next
}

// DelayReplay lets a replica lag behind what it has received.
func (c *Cluster) DelayReplay(name string, d time.Duration) {
	c.world.logf("fault: %s replay delayed %v", name, d)
	c.node(name).inner.DelayReplay(d)
}

// Heal ends every fault: hosts boot, agents run, nothing is cut, frozen or full.
// A server that hangs stays as it is.
func (c *Cluster) Heal() {
	c.world.logf("fault: all heal")
	c.StartStore()
	for _, n := range c.nodes {
		c.CutStore(n.name, false, false)
		n.flaky, n.slow, n.spared = false, 0, false
		n.full, n.runDirFull, n.guardLate, n.failQueries = false, false, 0, 0
		n.lostRenewals, n.cutInRenewal = false, ""
		n.inner.FillDisk(false)
		n.inner.DelayReplay(0)
		clear(n.slowCalls)
		n.forbids = false
		for _, other := range c.nodes {
			c.net.Heal(n.name, other.name)
		}
		n.thawHost()
		c.ThawGuard(n.name)
		c.UnmuteGuard(n.name)
		c.ThawAgent(n.name)
		n.absent = false
		c.StartContainer(n.name)
		c.BootHost(n.name)
		n.startAgent()
	}
	clear(c.apiCut)
}
