package hatest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

var noLease dcs.Lease

// ledger is what was acknowledged to the writers.
type ledger struct {
	rows     []written // not known to be on every node
	written  int
	everyone *postgrestest.Row // the newest that was on every node's disk at one moment
	lost     int
	missing  int // index of a node that lacked the oldest of rows
}

// written is one acknowledged row.
type written struct {
	row  postgrestest.Row
	at   clock.Instant
	on   string
	safe bool // all others streamed and went on to, and no fault touched the data since
}

// afterThaw is how long a server that thawed with its host may go on before its
// guard has come to run: no process on a frozen host can do better.
const afterThaw = 60 * time.Millisecond

// check looks at everything that must hold at any moment.
func (c *Cluster) check() {
	writable := ""
	for _, n := range c.nodes {
		before := n.last
		l := n.notice()
		n.stand()
		if before.Writable && !l.Writable {
			c.ceased(n)
		}
		if !l.Writable {
			continue
		}
		if c.world.time().Before(n.thawedAt.Add(afterThaw)) {
			continue
		}
		if !before.Writable {
			c.tookOver(n, before, l)
		}
		if writable != "" && c.world.time().After(c.revoked) {
			c.fail("two servers accept writes: %s and %s", writable, n.name)
		}
		writable = n.name
		if end := c.mayWriteUntil(n); !c.world.time().Before(end) {
			c.fail("%s accepts writes although its right to lead ended %s", n.name, c.since(end))
		}
	}
}

func (c *Cluster) since(end clock.Instant) string {
	if end.IsZero() {
		return "before: it has none"
	}
	return fmt.Sprintf("%v ago", c.world.time().Sub(end))
}

// mayWriteUntil is the end of n's lease less the margin for drift, or of the
// pledges of all members of the failsafe map, by true time.
func (c *Cluster) mayWriteUntil(n *node) clock.Instant {
	if c.world.time().Before(n.leaseEnd) {
		return n.leaseEnd
	}
	pledges := clock.Instant(1<<63 - 1)
	for _, other := range c.nodes {
		if _, member := c.failsafe[other.name]; member && other != n {
			pledges = min(pledges, other.pledged[n.name])
		}
	}
	if _, member := c.failsafe[n.name]; !member {
		return n.leaseEnd
	}
	return max(n.leaseEnd, pledges)
}

// written keeps the failsafe map, which says whose pledges count.
func (c *Cluster) written(docs []dcs.Write) {
	for _, d := range docs {
		if d.Key != dcs.FailsafeKey {
			continue
		}
		c.mapless = false
		if d.Value == nil {
			c.failsafe = nil // deleted
			continue
		}
		members := map[string]string{}
		if d.Value == nil {
			c.failsafe = nil
			continue
		}
		if err := json.Unmarshal(d.Value, &members); err != nil {
			c.fail("the failsafe map %s is none: %v", d.Value, err)
		}
		c.failsafe = members
	}
}

// write lets every writer try a row at its own node, and sees who has which.
func (c *Cluster) write() {
	c.world.in(c.opts.Writers, "", c.write)
	for _, n := range c.nodes {
		c.ledger.written++
		row, acknowledged := n.inner.Write(fmt.Sprintf("%s/%d", n.name, c.ledger.written))
		if acknowledged {
			c.ledger.rows = append(c.ledger.rows, written{row: row, at: c.world.time(), on: n.name, safe: c.calm(n)})
		}
	}
	c.settleRows()
	c.oneLeads()
	c.watchReached()
	c.watchSound()
	c.available()
	c.comesBack()
}

// oneLeads looks at what agents tell those who route by them.
func (c *Cluster) oneLeads() {
	leads := ""
	for _, n := range c.nodes {
		if n.agent == nil || n.process.frozen || n.down || !n.agent.Report().Leads(n.clock.Now()) {
			continue
		}
		if leads != "" && c.world.time().After(c.revoked) {
			c.fail("two agents say that they lead: %s and %s", leads, n.name)
		}
		leads = n.name
	}
}

// settleRows takes rows off the list that have come to every node. Whoever has a row
// has those before it, so that the oldest is looked at first, and first at whom it
// waited for last: a member may be away for hours.
func (c *Cluster) settleRows() {
	l := &c.ledger
	for len(l.rows) > 0 {
		for range c.nodes {
			if n := c.nodes[l.missing]; !n.inner.Has(l.rows[0].row) {
				return
			}
			l.missing = (l.missing + 1) % len(c.nodes)
		}
		row := l.rows[0].row
		l.everyone, l.rows = &row, l.rows[1:]
	}
}

// calm says whether everybody else streams from a leader, and nothing is wrong
// with the data's way.
func (c *Cluster) calm(leader *node) bool {
	if c.world.time().Before(c.revoked) || !leader.inner.Look().Running {
		return false // the store was wiped, or its agent will end a postmaster that hangs by force
	}
	for _, n := range c.nodes {
		if l := n.inner.Look(); n != leader && (!l.Streaming || n.frozen || n.full) {
			return false
		}
	}
	return true
}

// dataFault takes the promise back from what has not been replicated yet.
func (c *Cluster) dataFault() {
	for i := range c.ledger.rows {
		c.ledger.rows[i].safe = false
	}
}

// fellBehind is called when a standby has ended in whatever way. What was on its way
// to it then doesn't arrive, and may be on the leader alone.
func (c *Cluster) fellBehind(n *node) {
	for i := range c.ledger.rows {
		if !n.inner.Has(c.ledger.rows[i].row) {
			c.ledger.rows[i].safe = false
		}
	}
}

// madeAnew says whether n leads a cluster that was made since the store was emptied: an
// empty member that is up first can't know of another. Those with data stay out of it.
func (c *Cluster) madeAnew(n *node) bool {
	id := n.inner.Status(noWait).SystemID
	for _, other := range c.nodes {
		if of := other.inner.Status(noWait).SystemID; other != n && of != "" && of != id {
			return true
		}
	}
	return false
}

// tookOver is called when a server has begun to accept writes: nothing may be
// missing there that must not be lost.
func (c *Cluster) tookOver(n *node, before, l postgrestest.Look) {
	if c.emptied && c.madeAnew(n) {
		c.ledger = ledger{written: c.ledger.written, lost: c.ledger.lost + len(c.ledger.rows)}
	}
	if e := c.ledger.everyone; e != nil && !n.inner.Has(*e) {
		c.fail("%s leads without row %s, which every node had", n.name, e.Text)
	}
	kept := c.ledger.rows[:0]
	for _, r := range c.ledger.rows {
		if n.inner.Has(r.row) {
			kept = append(kept, r)
			continue
		}
		c.ledger.lost++
		if why := c.mustKeep(n, before, r); why != "" {
			c.fail("%s leads without row %s, acknowledged by %s %v ago, %s", n.name, r.row.Text, r.on, c.world.time().Sub(r.at), why)
		}
	}
	c.ledger.rows, c.handedOver, c.emptied = kept, nil, false
	store := c.Cluster()
	if lag := int64(store.Status.Optime) - int64(l.End); lag > c.opts.settings.MaximumLagOnFailover {
		c.fail("%s leads at %s, %d bytes behind the last leader's %s: more than maximum_lag_on_failover",
			n.name, postgres.LSN(l.End), lag, postgres.LSN(store.Status.Optime))
	}
}
