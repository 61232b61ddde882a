package hatest

import (
	"slices"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// A standby that serves and that nobody promotes can't take a write: whoever stops it
// needs a reason.
//
// A guard has one where the deadline of a grant has come, which says nothing about the
// role, or where no agent spoke for a server that it found: but not while an agent is
// there, alive and connected, for half of the time that it has for that. An agent has
// one where its decision stops the server, or the lease timer of a term does under which
// it asked for a promotion.
//
// The end of a guard that started the server, and what a fault does, are no stops.

// standing is since when a node has had a standby that serves, and since when an agent
// has been there that could speak for it.
type standing struct {
	process int // its postmaster; 0: there is none
	since   clock.Instant
	agent   clock.Instant // zero: there is none
}

// stand looks at what has become of them. The driver calls it after everything that
// happens.
func (n *node) stand() {
	now := n.cluster.world.time()
	process := n.standby()
	if process != n.standing.process {
		n.standing.process, n.standing.since = process, now
	}
	g, p := n.guard, n.process
	there := n.guardWorks() && p != nil && !p.frozen && g.core.State().Agent == p.pid
	switch {
	case !there:
		n.standing.agent = 0
	case n.standing.agent.IsZero():
		n.standing.agent = now
	}
}

// standby is the postmaster of a standby that serves, and that nobody promotes; 0:
// there is none.
func (n *node) standby() int {
	if l := n.inner.Look(); !n.frozen && l.Running && l.Standby && !l.Writable {
		if asked, err := n.inner.Promoting(noWait); err == nil && !asked {
			return l.Process
		}
	}
	return 0
}

// stopsStandby is called when a guard is about to stop what runs, being as it was
// before it was told what made it so.
func (g *guard) stopsStandby(before fence.State, how string) {
	n := g.node
	c := n.cluster
	enough := c.opts.settings.RetryTimeout / 2
	s, now := n.standing, c.world.time()
	switch {
	case before.Armed() || s.process == 0 || s.process != n.standby():
	case s.agent.IsZero() || now.Sub(s.agent) < enough || now.Sub(s.since) < enough:
	default:
		c.fail("%s: a guard stops (%s) a standby that has served for %v, with its agent there for %v, and no grant's deadline came", n.name, how, now.Sub(s.since), now.Sub(s.agent))
	}
}

// stopping are the rules by which an agent stops a standby that serves: somebody asked
// for it, its WAL isn't the cluster's, it can't follow without, or it may be on its way
// to become a primary without a lease.
var stopping = []string{"restart", "reinitialize", "shutdown/", "diverged/", "follow/change", "promotion/lost"}

// stoppingRule is the rule by which a stop was begun: others only wait for it since.
func stoppingRule(decisions []ha.Decision) string {
	for _, d := range slices.Backward(decisions) {
		if d.Rule != "job" {
			return d.Rule
		}
	}
	return ""
}

// stopsStandby is called when an agent is about to stop the server.
func (s *server) stopsStandby(how postgres.Stop) {
	n := s.process.node
	process := n.standby()
	if process == 0 || s.process.dead.Load() {
		return
	}
	rule := stoppingRule(n.agent.Decisions())
	n.cluster.world.arrive(arrival{node: n.index, kind: "stop", label: rule, admit: func() {
		asked := slices.ContainsFunc(stopping, func(known string) bool { return strings.HasPrefix(rule, known) })
		if !asked && n.promoted != process {
			n.cluster.fail("%s: its agent stops (%s) a standby that serves and that nobody promotes, and the rule %s stops none", n.name, how.Mode, rule)
		}
	}})
}
