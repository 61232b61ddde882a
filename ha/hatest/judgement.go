package hatest

import (
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// asked is for how long before its win a candidate may have asked whom it lost to: a
// round of questions, and the silence of somebody else.
const asked = 4 * time.Second

// courtesy is how long members leave the lead to one that is ahead, less what a look
// may be late.
const courtesy = 4*time.Second - 500*time.Millisecond

// turn is for how long a member stays out that has won the key and came to nothing.
const turn = 10 * time.Second

// countFree counts for how long the leader key was free, as far as n's agent can have
// known, since somebody led.
func (n *node) countFree(led, free bool) {
	c, now := n.cluster, n.cluster.world.time()
	last := n.lookedAt
	n.lookedAt = now
	switch {
	case led || n.process == nil || n.process != n.freeFor:
		n.free, n.freeFor = 0, n.process
	case free && c.store.mode == storeUp && !n.toStoreCut && !n.fromStoreCut:
		n.free += now.Sub(last)
	}
}

// hadToAsk is whether n, which has begun to take writes, had to find out that m has a
// row that n lacks, and to leave the lead to it: m was fit for long enough before n won
// the key, and n could ask it.
func (c *Cluster) hadToAsk(n, m *node, before postgrestest.Look, row postgrestest.Row) bool {
	from := n.wonAt.Add(-asked)
	l := m.inner.Look()
	held := func(at clock.Instant) bool { return !at.IsZero() && !at.After(from) }
	switch {
	case n.wonAt.IsZero() || n.free >= courtesy || n.slow > 0:
		return false
	case m.came < row.End():
		return false // it got the row from the former leader after it had been asked
	case !m.forgot.IsZero() && from.Before(m.forgot.Add(longestTTL)):
		return false // it may have pledged and not know it any more
	case !held(m.sound.standby) || !held(c.joined(n, m)):
		return false
	case m.wonAt.After(from.Add(-turn)):
		return false // it had its turn, and gave the key back
	case !l.SameTimeline(before):
		return false // which is ahead isn't said by who has which row, nor by the number alone
	}
	r := m.agent.Report()
	return !r.Diverged() && r.OffHistory == "" && !offHistory(c.Cluster(), l)
}

// handedOver is a leader's end in a switchover.
type handedOver struct {
	from string
	row  postgrestest.Row
	to   []string // who had all that it had acknowledged when it let the key go
}

// handsOver says whether its agent lets the key go in a switchover now.
func (n *node) handsOver() bool {
	return n.agent != nil && strings.HasPrefix(n.agent.Report().Decision.Reason, "switchover:")
}

// handsOver notes who has what a leader acknowledged that lets the key go in a
// switchover.
func (c *Cluster) handsOver(n *node) {
	c.handedOver = nil
	for i := len(c.ledger.rows) - 1; i >= 0; i-- {
		r := c.ledger.rows[i]
		if r.on != n.name {
			continue
		}
		h := &handedOver{from: n.name, row: r.row}
		for _, other := range c.nodes {
			if other != n && other.inner.Has(r.row) {
				h.to = append(h.to, other.name)
			}
		}
		c.handedOver = h
		return
	}
}

// knewOf says whether n had to wait for m after a cold start over an emptied store: it
// saw m in the store before, and neither has it waited for a ttl nor did m answer.
func (c *Cluster) knewOf(n, m *node) bool {
	waited := n.wonAt.Sub(n.began)
	return c.emptied && n.knew[m.name] && m.inner.Look().End > 0 && waited < n.settings.TTL-n.settings.TTL/50 &&
		(m.process == nil || m.began.After(n.wonAt))
}

// mustKeep says why n must have a row that it leads without; empty: it is excused,
// since nobody fit has it whom n could ask.
func (c *Cluster) mustKeep(n *node, before postgrestest.Look, r written) string {
	if h := c.handedOver; h != nil && len(h.to) == 0 && h.from == r.on && !n.inner.Has(h.row) {
		return "which " + h.from + " had when it let the key go in a switchover, and nobody else"
	}
	for _, m := range c.nodes {
		switch {
		case m == n || !m.inner.Has(r.row):
		case c.hadToAsk(n, m, before, r.row):
			return "which " + m.name + " has, who was fit and could be asked"
		case c.knewOf(n, m):
			return "which " + m.name + " has, for whom it had to wait after a cold start"
		}
	}
	if r.safe {
		return "while every replica streamed, and no host, server or link of replication has failed since"
	}
	return ""
}
