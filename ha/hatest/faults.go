package hatest

import (
	"context"
	"encoding/json"
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// KillHost is the loss of a host: agent, guard and server end at once, and
// nobody is told.
func (c *Cluster) KillHost(name string) {
	n := c.node(name)
	c.world.logf("fault: %s host lost", name)
	c.dataFault()
	n.down = true
	n.thawHost()
	n.killAgent()
	if n.guard != nil {
		n.guard.die()
		n.guard = nil
	}
	n.inner.Crash()
	n.lease, n.leaseEnd = noLease, 0
}

// BootHost brings a lost host back and starts its agent.
func (c *Cluster) BootHost(name string) {
	n := c.node(name)
	if !n.down {
		return
	}
	c.world.logf("fault: %s host boots", name)
	n.down = false
	n.boots++
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
	c.node(name).inner.FillDisk(full)
}

// DelayReplay lets a replica lag behind what it has received.
func (c *Cluster) DelayReplay(name string, d time.Duration) {
	c.world.logf("fault: %s replay delayed %v", name, d)
	c.node(name).inner.DelayReplay(d)
}

// CutStore cuts a node from the store: what it sends, what comes back, or both.
func (c *Cluster) CutStore(name string, requests, replies bool) {
	c.world.logf("fault: %s cut from the store: requests %t, replies %t", name, requests, replies)
	n := c.node(name)
	n.toStoreCut, n.fromStoreCut = requests, replies
	if requests || replies {
		return
	}
	n.missedHint = true
	late := append(n.lateRequests, n.lateReplies...)
	n.lateRequests, n.lateReplies = nil, nil
	for _, do := range late {
		c.world.in(c.world.delay(storeLatency), "", do)
	}
}

// FlakyStore makes a node's connections to the store break before or after the
// request, now and then.
func (c *Cluster) FlakyStore(name string, flaky bool) {
	c.world.logf("fault: %s store flaky %t", name, flaky)
	c.node(name).flaky = flaky
}

// SlowNetwork delays what a node's agent asks others, by up to d.
func (c *Cluster) SlowNetwork(name string, d time.Duration) {
	c.world.logf("fault: %s network slow by %v", name, d)
	c.node(name).slow = d
}

// StopStore lets the store refuse connections; ThawStore brings it back.
func (c *Cluster) StopStore() {
	c.world.logf("fault: store down")
	c.store.set(storeDown)
}

// FreezeStore lets the store take requests and answer nobody.
func (c *Cluster) FreezeStore() {
	c.world.logf("fault: store frozen")
	c.store.set(storeFrozen)
}

// StartStore ends StopStore and FreezeStore.
func (c *Cluster) StartStore() {
	c.world.logf("fault: store up")
	c.store.set(storeUp)
}

// WipeStore removes everything of the cluster's, the leader key included. That
// takes back what the store has granted: until the lease that was in force would
// have ended, two leaders are nobody's fault but the one's who wipes.
func (c *Cluster) WipeStore() error {
	c.world.logf("fault: store wiped")
	c.dataFault()
	c.revoked = c.world.time().Add(longestTTL)
	return c.store.admin.RemoveCluster(noWait)
}

// Restart asks a node's agent to restart its server in place.
func (c *Cluster) Restart(name string) {
	c.order(name, "restart", func(ctx context.Context, a *ha.Agent) { _ = a.Restart(ctx) })
}

// Reinitialize asks a node's agent to make its replica's data anew.
func (c *Cluster) Reinitialize(name string) {
	c.order(name, "reinitialize", func(ctx context.Context, a *ha.Agent) { _ = a.Reinitialize(ctx, false, false) })
}

// Shutdown tells a node's agent to hand over, stop its server and end, as its
// service manager does.
func (c *Cluster) Shutdown(name string) {
	c.order(name, "shutdown", func(_ context.Context, a *ha.Agent) { a.Shutdown() })
}

// order lets an operator ask something of a node's agent. What becomes of it is in
// the agent's log.
func (c *Cluster) order(name, what string, do func(context.Context, *ha.Agent)) {
	n := c.node(name)
	if p := n.process; p != nil {
		c.world.logf("%s %s asked for", name, what)
		p.deliver(func() {
			agent := n.agent
			p.serving.Go(func() { do(p.ctx, agent) })
		})
	}
}

// Configure replaces the dynamic configuration, as regentctl does.
func (c *Cluster) Configure(config map[string]any) error {
	c.world.logf("configuration %v", config)
	settings, _, err := ha.ParseSettings(config, ha.ShortFloors())
	if err != nil {
		return err
	}
	text, err := json.Marshal(config)
	if err == nil {
		_, err = c.store.admin.Put(noWait, dcs.Write{Key: dcs.ConfigKey, Value: text, Prev: dcs.Any})
	}
	if err == nil {
		c.opts.settings = settings
	}
	return err
}

// CutPeers lets nothing through between two nodes' agents in one direction.
func (c *Cluster) CutPeers(from, to string, cut bool) {
	c.world.logf("fault: agents %s to %s cut %t", from, to, cut)
	c.apiCut[[2]int{c.node(from).index, c.node(to).index}] = cut
}

func (c *Cluster) peersCut(from, to *node) bool { return c.apiCut[[2]int{from.index, to.index}] }

// CutReplication lets no WAL through from one node's server to another's.
func (c *Cluster) CutReplication(from, to string, cut bool) {
	c.world.logf("fault: replication %s to %s cut %t", from, to, cut)
	c.dataFault()
	if cut {
		c.net.Cut(from, to)
	} else {
		c.net.Heal(from, to)
	}
}

// Isolate cuts a node off from everything, or connects it again.
func (c *Cluster) Isolate(name string, cut bool) {
	c.CutStore(name, cut, cut)
	for _, other := range c.nodes {
		if other.name != name {
			c.CutPeers(name, other.name, cut)
			c.CutPeers(other.name, name, cut)
			c.CutReplication(name, other.name, cut)
			c.CutReplication(other.name, name, cut)
		}
	}
}

// Heal ends every fault: hosts boot, agents run, nothing is cut, frozen or full.
// A server that hangs stays as it is.
func (c *Cluster) Heal() {
	c.world.logf("fault: all heal")
	c.StartStore()
	for _, n := range c.nodes {
		c.CutStore(n.name, false, false)
		n.flaky, n.slow, n.spared = false, 0, false
		n.inner.FillDisk(false)
		n.inner.DelayReplay(0)
		for _, other := range c.nodes {
			c.net.Heal(n.name, other.name)
		}
		n.thawHost()
		c.ThawGuard(n.name)
		c.ThawAgent(n.name)
		c.BootHost(n.name)
		n.startAgent()
	}
	clear(c.apiCut)
}
