package hatest

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// node is one host with everything on it.
type node struct {
	cluster *Cluster
	index   int
	name    string
	clock   *hostClock
	inner   *postgrestest.Server

	process *process // the agent that runs; nil: none
	agent   *ha.Agent
	exited  chan struct{} // of that agent's server
	guard   *guard
	boots   int
	notes   notes       // run directory
	members membership  // in the data directory
	latch   fence.Latch // of the guard, in the run directory

	down         bool
	absent       bool // it has not joined the cluster yet
	contained    bool // down is its container alone
	frozen       bool
	wanted       bool // an agent, as soon as the host thaws
	full         bool // its disk is
	thawedAt     clock.Instant
	toStoreCut   bool
	fromStoreCut bool
	lateRequests []func() // that the network has, until it heals
	lateReplies  []func()
	flaky        bool
	spared       bool // its guard is frozen: nothing else may happen to it
	slow         time.Duration
	guardLate    time.Duration // how late its guard's answers are
	runDirFull   bool
	slowCalls    map[string]time.Duration // by an agent on its server
	deafCalls    bool                     // they don't end with their context
	forbids      bool                     // pre_promote, that it be promoted
	lostRenewals bool                     // no answer to a renewal with documents comes back
	cutInRenewal string                   // the next renewal that carries this comes through, and nothing after it; empty: none
	failQueries  int                      // how many of the next status queries fail

	watched    <-chan struct{} // what the store signals
	hints      chan struct{}   // what the agent gets
	missedHint bool
	watching   *memory.DCS   // behind watched
	told       clock.Instant // since when it is silent, as of the last hint that was sent on
	onTheirWay int           // hints
	silence    dcs.Silence   // as the agent can know it

	settings  ha.Settings              // as its agents have read them last, and remember them
	lastKnown []byte                   // the configuration that they came from; nil: none yet
	lease     dcs.Lease                // as granted, stamped right
	leaseEnd  clock.Instant            // true time; zero: none
	given     string                   // grant that was let go
	pledged   map[string]clock.Instant // by leader, until when in true time
	last      postgrestest.Look
	standing  standing
	promoted  int // postmaster that an agent last came to promote

	sound     sound
	began     clock.Instant   // when its agent was started
	wonAt     clock.Instant   // when it was granted the leader key last
	unsettled bool            // its agent has sent a try for the key and had no answer
	forgot    clock.Instant   // when its run directory was emptied last
	came      uint64          // its WAL, while somebody led
	knew      map[string]bool // whom it saw in the store when that named a leader last
	free      time.Duration   // of the leader key, see countFree
	freeFor   *process
	lookedAt  clock.Instant
}

// slowness is an extra delay of a request on a slow network.
func (n *node) slowness() time.Duration {
	if n.slow == 0 {
		return 0
	}
	return n.cluster.world.between(0, n.slow)
}

// startAgent starts one, unless one runs.
func (n *node) startAgent() {
	if n.process != nil || n.down || n.absent {
		return
	}
	if n.frozen {
		n.wanted = true
		return
	}
	c := n.cluster
	p := newProcess(n)
	n.process, n.exited = p, make(chan struct{}, 1)
	n.began, n.unsettled = c.world.time(), false
	handle, err := c.store.server.Open(memory.Options{Path: c.path, Name: n.name, TTL: n.settings.TTL, Clock: n.clock, KeepMembers: c.opts.KeepMembers})
	if err != nil {
		panic(err)
	}
	mode := fence.Required
	if c.opts.NoFence {
		mode = fence.Off
	}
	agent, err := ha.New(ha.Config{
		Name:       n.name,
		Scope:      c.path.Scope,
		DCS:        &door{process: p, store: c.store, inner: handle},
		PostgreSQL: &server{process: p, inner: n.inner, exited: n.exited},
		Peers:      peers{p},
		Fencing:    ha.Fencing{Mode: mode, Connect: p.connect, Anywhere: true},
		ConnURL:    "postgres://" + n.name + ":5432/postgres", APIURL: apiURL(n.name),
		Release: "hatest", Floors: ha.ShortFloors(), Settings: n.settings, Reconfigure: n.reconfigure, NewCluster: c.config, LastKnown: n.lastKnown,
		Notes: desk{p}, Known: roll{p}, Clock: n.clock, Now: n.wall,
		Logger: slog.New(logger{process: p}),
	})
	if err != nil {
		panic(err)
	}
	n.agent = agent
	c.world.logf("%s agent %d starts", n.name, p.pid)
	p.serving.Go(func() {
		err := agent.Run(p.ctx)
		c.world.arrive(arrival{node: n.index, kind: "ended", admit: func() { n.agentEnded(p, err) }})
	})
}

// agentEnded is the end of an agent by itself: its service manager starts one
// that failed again.
func (n *node) agentEnded(p *process, err error) {
	if p.dead.Load() || n.process != p {
		return
	}
	n.cluster.world.logf("%s agent ended: %v", n.name, err)
	p.kill()
	n.agentGone(p)
	if err != nil {
		n.cluster.world.in(time.Second, "", n.startAgent)
	}
}

// agentGone takes a dead agent off the host, and tells the guard.
func (n *node) agentGone(p *process) {
	n.process, n.agent, n.watched = nil, nil, nil
	if g := n.guard; g != nil {
		n.cluster.world.in(n.cluster.world.delay(localDelay), "", func() {
			g.deliver(func() { g.step(fence.AgentGone{PID: p.pid}, nil) })
		})
	}
}

// wall is the host's wall clock, which nobody may trust.
func (n *node) wall() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n.clock.Now())).Add(time.Duration(n.index) * time.Minute)
}

// granted notes what the store granted, counted from when it was asked for.
func (n *node) granted(l dcs.Lease) {
	if l.ID == n.given {
		return
	}
	end := n.clock.when(n.cluster.opts.settings.Timing().Plan(l).End)
	if l.ID != n.lease.ID || end > n.leaseEnd {
		n.lease, n.leaseEnd = l, end
	}
}

// released notes that a grant counts as ended.
func (n *node) released(l dcs.Lease) {
	n.given = l.ID
	if n.lease.ID == l.ID {
		n.lease, n.leaseEnd = dcs.Lease{}, 0
	}
}

// notice tells the agent and the guard of what has become of the server.
func (n *node) notice() postgrestest.Look {
	l := n.inner.Look()
	before := n.last
	n.last = l
	if l.Process == before.Process && l.Writable == before.Writable && l.Standby == before.Standby {
		return l
	}
	n.cluster.world.logf("%s server: process %d timeline %d end %s running %t writable %t standby %t", n.name, l.Process, l.Timeline, postgres.LSN(l.End), l.Running, l.Writable, l.Standby)
	if n.guard != nil {
		n.guard.changed(n.runs())
	}
	if before.Process != 0 && before.Standby && l.Process != before.Process {
		n.cluster.fellBehind(n)
	}
	if before.Process != 0 && l.Process != before.Process && n.process != nil {
		p, exited := n.process, n.exited
		n.cluster.world.in(n.cluster.world.delay(localDelay), n.name+" server exited", func() {
			p.deliver(func() {
				select {
				case exited <- struct{}{}:
				default:
				}
			})
		})
	}
	return l
}

// logger puts an agent's log into the trace.
type logger struct {
	process *process
	with    string
}

func (l logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l logger) Handle(_ context.Context, r slog.Record) error {
	if l.process.dead.Load() {
		return nil
	}
	var b strings.Builder
	b.WriteString(l.process.node.name + " | " + r.Message + l.with)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	l.process.world.trace.log(b.String())
	return nil
}

func (l logger) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l.with += " " + a.String()
	}
	return l
}

func (l logger) WithGroup(string) slog.Handler { return l }
