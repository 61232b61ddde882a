package hatest

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
)

// stopped is a primary's end while the store is away from everybody.
type stopped struct {
	node *node
	at   clock.Instant
	why  string // it should have gone on
}

// keepsStillFor is until when others may count on n's pledge to anybody but leader.
func (n *node) keepsStillFor(leader *node) clock.Instant {
	var until clock.Instant
	for _, other := range n.cluster.nodes {
		if at := n.pledged[other.name]; other != leader && n.cluster.world.time().Before(at) {
			until = max(until, at)
		}
	}
	return until
}

// upheldSince is since when all members of the failsafe map could pledge to n, and n
// could be a primary by that; zero: not now.
func (c *Cluster) upheldSince(n *node) clock.Instant {
	from := c.giversSince(n)
	if from.IsZero() || n.sound.whole.IsZero() {
		return 0
	}
	return max(from, n.sound.whole)
}

// giversSince is since when all members of the failsafe map could pledge to n, whatever
// n itself can do; zero: not now.
func (c *Cluster) giversSince(n *node) clock.Instant {
	from := clock.Instant(1)
	if _, member := c.failsafe[n.name]; !member || c.mapless || !n.settings.Failsafe {
		return 0
	}
	for _, other := range c.nodes {
		if _, member := c.failsafe[other.name]; !member || other == n {
			continue
		}
		if c.peersCut(n, other) || c.peersCut(other, n) || other.sound.agent.IsZero() || !other.settings.Failsafe ||
			other.runDirFull || other.unsettled || !other.keepsStillFor(n).IsZero() || !other.sawLead(n) {
			return 0
		}
		from = max(from, other.sound.agent, c.joined(n, other))
	}
	return from
}

// sawLead says whether it was leader, under the grant that it has noted, whom n's agent saw
// last in the store: it pledges to nobody else.
func (n *node) sawLead(leader *node) bool {
	seen, note := n.notes.leader, leader.notes.leaseNote
	return seen.boot == n.boots && seen.Name == leader.name && (note == nil || seen.Grant == note.Grant)
}

// joined is since when two nodes' agents reach each other.
func (c *Cluster) joined(a, b *node) clock.Instant { return c.reached[[2]int{a.index, b.index}] }

// watchReached follows the ways between agents, whoever they are.
func (c *Cluster) watchReached() {
	now := c.world.time()
	for _, n := range c.nodes {
		for _, other := range c.nodes {
			at := c.reached[[2]int{n.index, other.index}]
			since(&at, now, !c.peersCut(n, other) && !c.peersCut(other, n))
			c.reached[[2]int{n.index, other.index}] = at
		}
	}
}

// ceased is called when a server takes writes no more. While the store is away from
// everybody that is an outage until it is back: it must not be for nothing.
func (c *Cluster) ceased(n *node) {
	c.stopped = stopped{}
	now := c.world.time()
	from, givers := c.upheldSince(n), c.giversSince(n)
	if c.store.mode == storeUp || from.IsZero() && n.process != nil {
		return
	}
	ttl := n.settings.TTL
	switch left := c.mayWriteUntil(n).Sub(now); {
	case left > ttl*3/10 && !givers.IsZero() && now.Sub(givers) > answersCome:
		c.stopped = stopped{node: n, at: now, why: fmt.Sprintf("its right to lead went on for %v", left)}
	case !from.IsZero() && now.Sub(from) > ttl+ttl/50:
		c.stopped = stopped{node: n, at: now, why: fmt.Sprintf("all members of the failsafe map could pledge for %v", now.Sub(from))}
	}
}

// answersCome is how long it may take until a leader has heard of pledges that were
// given: a round that is under way must end first, in which somebody was silent.
const answersCome = 4 * time.Second

// comesBack fails when a primary that stopped for nothing, or for what is over in a
// moment, stays away: nobody else may lead while the store is away, and it can be
// started in place until the pledges for it end, which it can have renewed.
func (c *Cluster) comesBack() {
	s, now := c.stopped, c.world.time()
	if s.node == nil {
		return
	}
	from := c.upheldSince(s.node)
	if c.Leader() != "" || c.store.mode == storeUp || from.IsZero() && now.Sub(s.at) > restartInPlace {
		c.stopped = stopped{}
		return
	}
	if from.IsZero() || max(from, s.at).Sub(s.at) > restartInPlace {
		return
	}
	if bound := s.node.settings.TTL + 15*time.Second; now.Sub(max(from, s.at)) > bound {
		c.fail("%s has stopped taking writes %v ago while the store is away, and %s: all members of the failsafe map could pledge to it since %v, and it never came back",
			s.node.name, now.Sub(s.at), s.why, now.Sub(from))
	}
}

// restartInPlace is how long what a primary rests on may be away at its end: an agent
// or a guard that is started again.
const restartInPlace = 500 * time.Millisecond
