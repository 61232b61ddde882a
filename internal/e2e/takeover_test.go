package e2e

import (
	"testing"

	"github.com/regent-ha/regent/internal/lab"
)

// takeover is a fault of the primary after which another leads, when the lease has
// ended at the latest. Mended, the former primary follows.
type takeover struct {
	name    string
	options lab.Options
	fault   func(s *scene, primary *lab.Node)
	mend    func(s *scene, former *lab.Node)
	mayLose bool // what the fault kept from being sent to a replica
}

var (
	hostLost = takeover{
		name:    "the host is lost",
		fault:   func(_ *scene, n *lab.Node) { n.KillHost() },
		mend:    func(s *scene, n *lab.Node) { s.must(n.StartHost()) },
		mayLose: true,
	}
	agentFrozen = takeover{ // it goes on later, and finds its lease over
		name:  "the agent is frozen",
		fault: func(_ *scene, n *lab.Node) { n.FreezeAgent() },
		mend:  func(_ *scene, n *lab.Node) { n.ThawAgent() },
	}
)

var takeovers = []takeover{
	hostLost, agentFrozen,
	{ // the guard stops the server before the lease ends
		name:  "the agent is killed",
		fault: func(_ *scene, n *lab.Node) { n.KillAgent() },
		mend:  func(s *scene, n *lab.Node) { s.must(n.StartAgent()) },
	},
	{ // the agent steps down, since nobody would stop its server; thawed, the guard comes too late for anything
		name:  "the guard is frozen",
		fault: func(s *scene, n *lab.Node) { s.must(n.FreezeGuard()) },
		mend:  func(s *scene, n *lab.Node) { s.must(n.ThawGuard()) },
	},
	{ // the agent that starts can't reach the guard of the one before, and does its work
		name: "the agent is restarted, and the guard is frozen",
		fault: func(s *scene, n *lab.Node) {
			n.KillAgent()
			s.must(n.FreezeGuard())
			s.must(n.StartAgent())
		},
		mend: func(s *scene, n *lab.Node) { s.must(n.ThawGuard()) },
	},
	{ // PostgreSQL ends with its guard
		name: "guard and agent are killed",
		fault: func(s *scene, n *lab.Node) {
			n.KillAgent()
			s.must(n.KillGuard())
			s.stopped(n)
		},
		mend: func(s *scene, n *lab.Node) { s.must(n.StartAgent()) },
	},
	{ // it answers no new connection, and is stopped
		name:    "the postmaster hangs",
		options: lab.Options{Dynamic: map[string]any{"primary_stall_timeout": 4}},
		fault:   func(s *scene, n *lab.Node) { s.must(n.FreezePostgres()) },
		mayLose: true,
	},
	{ // links stand in front of nodes, so that one that is cut off still reaches others: no failsafe
		name:    "it is cut off from the store and from the others",
		options: lab.Options{LinkPeers: true, Dynamic: map[string]any{"failsafe_mode": false}},
		fault:   func(_ *scene, n *lab.Node) { n.Isolate() },
		mend:    func(_ *scene, n *lab.Node) { n.Rejoin() },
		mayLose: true,
	},
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	for _, fault := range takeovers {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			fault.play(t, fault.options)
		})
	}
}

func (f takeover) play(t *testing.T, o lab.Options) {
	s, primary := start(t, o)
	s.write()
	f.fault(s, primary)
	s.otherLeads(primary)
	s.awaitWrites()
	if f.mend != nil {
		f.mend(s, primary)
	}
	s.judge(f.mayLose)
}
