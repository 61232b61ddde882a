package hatest

import (
	"math/bits"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// availability follows for how long a cluster that could be led is not.
type availability struct {
	led     clock.Instant // when somebody took writes last
	longest time.Duration // ttl that was in force then
	store   clock.Instant // since when the store is there
}

// sound is since when a node could do its part, by what has to be there for it;
// zero: it can't.
type sound struct {
	process *process
	agent   clock.Instant // agent and host: it answers others
	whole   clock.Instant // guard, files and server, too: it can be a primary
	fit     clock.Instant // it reaches the store and may be elected
	standby clock.Instant // it runs as a standby, and says that it is fit
}

// since begins or goes on with a time in which something holds.
func since(at *clock.Instant, now clock.Instant, holds bool) {
	switch {
	case !holds:
		*at = 0
	case at.IsZero():
		*at = now
	}
}

// watchSound looks at every node and every way between two, before it is asked who
// leads. What breaks and heals between two looks isn't noticed, and no fault does.
func (c *Cluster) watchSound() {
	now := c.world.time()
	since(&c.availability.store, now, c.store.mode == storeUp)
	led := c.Leader() != ""
	var cluster dcs.Cluster
	if !led {
		cluster = c.Cluster()
	}
	for _, n := range c.nodes {
		s := &n.sound
		if s.process != n.process {
			*s = sound{process: n.process}
		}
		l := n.inner.Look()
		since(&s.agent, now, n.answers())
		since(&s.whole, now, n.answers() && n.guardWorks() && !n.runDirFull && !n.full && !n.forbids && !l.Hangs)
		reaches := !s.whole.IsZero() && c.store.mode == storeUp && n.reachesStore() && n.allowed()
		since(&s.fit, now, reaches && !led && n.electable(l, cluster))
		since(&s.standby, now, reaches && l.Running && l.Standby && n.keepsStillFor(nil).IsZero())
		if led {
			n.came = l.End
		}
		n.countFree(led, cluster.Leader == nil)
	}
	for i, n := range c.nodes {
		for _, other := range c.nodes[:i] {
			way := [2]int{n.index, other.index}
			at := c.linked[way]
			since(&at, now, !c.peersCut(n, other) && !c.peersCut(other, n) || !n.acts() || !other.acts())
			c.linked[way] = at
		}
	}
}

// answers says whether others get an answer from the node's agent.
func (n *node) answers() bool {
	p := n.process
	return !n.down && !n.frozen && p != nil && !p.frozen && !p.leaving && n.slow == 0
}

// guardWorks says whether its guard answers in time.
func (n *node) guardWorks() bool {
	g := n.guard
	return g != nil && !g.dead && !g.frozen && !g.mute && n.guardLate == 0
}

// reachesStore says whether all that it asks of the store gets an answer.
func (n *node) reachesStore() bool {
	return !n.toStoreCut && !n.fromStoreCut && !n.flaky && !n.lostRenewals && n.cutInRenewal == ""
}

// acts says whether its agent can take the leader key.
func (n *node) acts() bool {
	return !n.down && !n.frozen && n.process != nil && !n.process.frozen && !n.toStoreCut && n.cluster.store.mode == storeUp
}

// allowed says whether the failsafe map lets it lead.
func (n *node) allowed() bool {
	_, member := n.cluster.failsafe[n.name]
	return member || len(n.cluster.failsafe) == 0
}

// electable says whether its data may become the primary's.
func (n *node) electable(l postgrestest.Look, c dcs.Cluster) bool {
	r := n.agent.Report()
	id := c.Initialize.SystemID
	switch {
	case !dcs.ValidSystemID(id) || r.Server.Data != postgres.DataValid || r.Server.SystemID != id:
		return false // a cluster that is made, a copy that isn't finished, or another cluster
	case r.Diverged() || r.OffHistory != "":
		return false
	case c.Leader != nil && n.behind(c.Leader.Name, l):
		return false // who holds the key takes nobody for its successor who isn't on its timeline
	case int64(c.Status.Optime)-int64(l.End) > n.cluster.opts.settings.MaximumLagOnFailover:
		return false
	}
	return !offHistory(c, l)
}

// behind says whether the holder of the key lives and has come to a newer timeline.
func (n *node) behind(holder string, l postgrestest.Look) bool {
	h := n.cluster.find(holder)
	return h != nil && h != n && h.acts() && h.inner.Look().Timeline > l.Timeline
}

// offHistory says whether WAL goes past where the cluster left its timeline, or is on
// one that the cluster can't have come to.
func offHistory(c dcs.Cluster, l postgrestest.Look) bool {
	for _, line := range c.History.Lines {
		if line.Timeline == l.Timeline && l.End > line.LSN {
			return true
		}
	}
	last, known := c.Timeline()
	return known && l.Timeline > last+1
}

// link is since when two nodes' agents reach each other, or one of them does nothing
// that the other would have to know.
func (c *Cluster) link(a, b *node) clock.Instant {
	return c.linked[[2]int{max(a.index, b.index), min(a.index, b.index)}]
}

// available fails when nobody leads a cluster for longer than anything can take that
// stands in the way of a majority: all of its members are fit, and it, the store and
// whoever else may take the key reach one another.
//
// The last leader's lease may have been renewed right before it failed, a member of the
// majority may have pledged to it at the end of that, and what is waited for after a
// boot is bounded by the same ttl. Then a silent member is waited for, courtesy to
// another ends after four seconds, the key is won in one of the next rounds, and
// somebody is promoted: a quarter of a minute is more than all of it. The time doesn't
// count in which a primary stops in order, and waits for receivers that are cut off:
// wal_sender_timeout bounds that.
func (c *Cluster) available() {
	a, now := &c.availability, c.world.time()
	if c.Leader() != "" || c.stopping() {
		a.led, a.longest = now, 0
	}
	for _, n := range c.nodes {
		a.longest = max(a.longest, n.settings.TTL, c.opts.settings.TTL)
	}
	bound := 2*a.longest + a.longest/50 + 15*time.Second
	if a.led.IsZero() || now.Sub(a.led) <= bound || now.Before(c.revoked) {
		return
	}
	for set := range 1 << len(c.nodes) {
		if bits.OnesCount(uint(set))*2 <= len(c.nodes) {
			continue
		}
		if from := c.connected(set); !from.IsZero() && now.Sub(max(from, a.led)) > bound {
			c.fail("nobody has led for %v, and for %v the nodes %v were fit, and reached the store, one another, and whoever else may take the key",
				now.Sub(a.led), now.Sub(from), c.namesOf(set))
			return
		}
	}
}

// stopping says whether a server that was primary is on its way down.
func (c *Cluster) stopping() bool {
	for _, n := range c.nodes {
		if l := n.inner.Look(); l.Stopping && !l.Standby && !n.down && !n.frozen {
			return true
		}
	}
	return false
}

// connected is since when all nodes of a set are fit and reach all that act; zero: they
// don't.
func (c *Cluster) connected(set int) clock.Instant {
	var from clock.Instant
	for i, n := range c.nodes {
		if set&(1<<i) == 0 {
			continue
		}
		if n.sound.fit.IsZero() {
			return 0
		}
		from = max(from, n.sound.fit)
		for _, other := range c.nodes {
			if other == n {
				continue
			}
			at := c.link(n, other)
			if at.IsZero() {
				return 0
			}
			from = max(from, at)
		}
	}
	return from
}

func (c *Cluster) namesOf(set int) (names []string) {
	for i, n := range c.nodes {
		if set&(1<<i) != 0 {
			names = append(names, n.name)
		}
	}
	return names
}
