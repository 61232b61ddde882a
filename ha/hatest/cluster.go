package hatest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// Options are what a Cluster is made of. The zero value of each is its default.
type Options struct {
	Nodes int    // 3
	Seed  uint64 // decides everything that isn't decided by the test
	// Config is the dynamic configuration, as under "bootstrap.dcs" in
	// patroni.yml. By default ttl 30, loop_wait 10, retry_timeout 10 and
	// failsafe_mode on.
	Config map[string]any
	// Speed of the fake servers.
	Speed postgrestest.Speed
	// Drift is how much faster or slower two clocks may run, in parts per
	// million of true time: up to 5000, since no two may differ by more than one
	// percent. Each host gets its own by the seed.
	Drift int
	// Trace gets every line of what happens. Nil: only the last lines are kept.
	Trace io.Writer
	// RowSize is how many bytes of WAL a row takes; 0: 64 kB, so that those of two
	// seconds are more than maximum_lag_on_failover.
	RowSize int
	// KeepMembers lets members' entries stay for ever, as on Kubernetes.
	KeepMembers bool
	// Writers is how often each server gets a row past any routing; 0: 100 ms,
	// negative: never.
	Writers time.Duration

	// What follows breaks the cluster on purpose, so that a test can show that
	// the invariants notice.
	NoFence          bool // agents run without a guard
	LeaseStampedLate bool // leases count from the answer, not from the request
	NoLagCheck       bool // any replica may lead, however far behind

	settings ha.Settings
}

// longestTTL is that of the longest lease that a Chaos configures.
const longestTTL = 30 * time.Second

// Cluster is a whole cluster in virtual time. All of its methods are for the one
// goroutine that made it.
type Cluster struct {
	opts   Options
	world  *world
	path   dcs.Path
	config []byte
	values map[string]any // the dynamic configuration as an operator wrote it last
	store  *store
	net    *postgrestest.Network
	nodes  []*node
	pids   int

	first       int              // index of the first node, another one for each cluster of a world
	neighbours  []*Cluster       // in the same world
	readdressed map[string]*node // whom the address of a node's API leads to, by the node's name

	apiCut   map[[2]int]bool
	ledger   ledger
	revoked  clock.Instant            // until when leases count for nothing, since the store was wiped
	linked   map[[2]int]clock.Instant // since when agents reach each other, the higher index first; see link
	reached  map[[2]int]clock.Instant // the same, whatever they do
	broken   error
	over     bool              // nothing goes wrong any more
	failsafe map[string]string // as last written
	mapless  bool              // it was removed since, by hand
	emptied  bool              // the store, while no server ran; nobody has led since

	availability availability
	stopped      stopped     // needlessly, while the store is away
	handedOver   *handedOver // nobody has led since
}

// New makes a cluster of empty nodes, whose agents start at once, and takes it
// down when the test ends. It must be called inside a bubble (testing/synctest).
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := build(o, newWorld(o.Seed), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	for _, n := range c.nodes {
		c.world.in(c.world.between(0, time.Second), "", n.startAgent)
	}
	return c
}

func build(o Options, w *world, first int) (*Cluster, error) {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.RowSize == 0 {
		o.RowSize = 64 << 10
	}
	if o.Writers == 0 {
		o.Writers = 100 * time.Millisecond
	}
	config := map[string]any{"ttl": 30, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": true}
	if o.Config != nil {
		config = maps.Clone(o.Config)
	}
	var err error
	if o.settings, _, err = ha.ParseSettings(config, ha.ShortFloors()); err != nil {
		return nil, fmt.Errorf("hatest: Options.Config: %w", err)
	}
	if o.Drift < 0 || o.Drift > 5000 {
		return nil, fmt.Errorf("hatest: Options.Drift is %d: it must be from 0 to 5000 parts per million", o.Drift)
	}
	c := &Cluster{opts: o, world: w, first: first, path: dcs.Path{Scope: "simulated"}, values: config,
		apiCut: map[[2]int]bool{}, linked: map[[2]int]clock.Instant{}, reached: map[[2]int]clock.Instant{}}
	if o.Trace != nil {
		c.world.trace.out = o.Trace
	}
	if c.config, err = json.Marshal(config); err != nil {
		return nil, fmt.Errorf("hatest: Options.Config: %w", err)
	}
	storeClock := c.newClock(-1 - first)
	c.store = &store{cluster: c, server: memory.NewStore(storeClock)}
	if c.store.admin, err = c.store.server.Open(memory.Options{Path: c.path, Clock: storeClock}); err != nil {
		return nil, err
	}
	c.net = postgrestest.NewNetwork(trueClock{c.world})
	c.net.CountFrom(uint64(first) * 1e12)
	for i := range o.Nodes {
		if err := c.addNode(i); err != nil {
			return nil, err
		}
	}
	if o.Writers > 0 {
		c.world.in(o.Writers, "", c.write)
	}
	return c, nil
}

func (c *Cluster) addNode(i int) error {
	n := &node{cluster: c, index: c.first + i, name: fmt.Sprintf("n%d", i+1), clock: c.newClock(c.first + i), boots: 1, settings: c.opts.settings,
		pledged: map[string]clock.Instant{}, knew: map[string]bool{}, slowCalls: map[string]time.Duration{}}
	n.clock.owner = func() *process { return n.process }
	var err error
	n.inner, err = c.net.NewServer(postgrestest.Options{Name: n.name, Clock: n.clock, Speed: c.opts.Speed, RowSize: c.opts.RowSize})
	c.nodes = append(c.nodes, n)
	if err != nil {
		return err
	}
	return n.inner.Configure(postgres.Settings{
		UseRewind: true, UseSlots: true, RemoveOnDivergedTimelines: true, RemoveOnRewindFailure: true,
	})
}

// newClock is a host's, or, for a negative number, a store's.
func (c *Cluster) newClock(node int) *hostClock {
	drift := int64(0)
	if c.opts.Drift > 0 {
		drift = c.world.rng.Int64N(2*int64(c.opts.Drift)+1) - int64(c.opts.Drift)
	}
	return &hostClock{world: c.world, node: node, drift: drift, boot: c.world.time()}
}

// trueClock is for what has no clock of its own: nobody waits on it.
type trueClock struct{ world *world }

func (t trueClock) Now() clock.Instant { return t.world.time() }
func (t trueClock) NewTimer(clock.Instant) clock.Timer {
	panic("hatest: a timer on the network's clock, which the driver advances")
}

func (n *node) reconfigure(values map[string]any, floors ha.Floors) (ha.Settings, *postgres.Settings, error) {
	s, _, err := ha.ParseSettings(values, floors)
	if n.cluster.opts.NoLagCheck {
		s.MaximumLagOnFailover = 1 << 60
	}
	if text, failed := json.Marshal(values); err == nil && failed == nil {
		n.settings, n.lastKnown = s, text
	}
	return s, nil, err
}

// Run lets d pass, or less if an invariant breaks: see Err.
func (c *Cluster) Run(d time.Duration) {
	limit := c.world.time().Add(d)
	for c.broken == nil && c.step(limit) {
	}
}

// Await runs until cond holds, for limit at most. It returns whether it did.
func (c *Cluster) Await(limit time.Duration, cond func() bool) bool {
	end := c.world.time().Add(limit)
	for c.broken == nil {
		if cond() {
			return true
		}
		if !c.step(end) {
			return cond()
		}
	}
	return false
}

// step lets the next thing happen and looks at the invariants after it.
func (c *Cluster) step(limit clock.Instant) bool {
	all := append([]*Cluster{c}, c.neighbours...)
	for _, each := range all {
		if next := each.net.Next(); !next.IsZero() && (len(c.world.queue) == 0 || next.Before(c.world.queue[0].at)) {
			c.world.at(next, "", each.net.Advance)
		}
	}
	more := c.world.step(limit)
	for _, each := range all {
		each.net.Advance()
	}
	c.world.settle()
	for _, each := range all {
		for _, n := range each.nodes {
			n.watch()
		}
		each.check()
	}
	return more
}

// close ends everything.
func (c *Cluster) close() {
	for _, n := range c.nodes {
		if n.process != nil {
			n.process.kill()
		}
	}
	c.world.settle()
	c.world.mu.Lock()
	c.world.arrivals = nil
	c.world.mu.Unlock()
}

func (c *Cluster) node(name string) *node {
	if n := c.find(name); n != nil {
		return n
	}
	panic("hatest: there is no node " + name)
}

// find is the node of that name, or nil.
func (c *Cluster) find(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// fail notes the first invariant that broke.
func (c *Cluster) fail(format string, args ...any) {
	if c.broken == nil {
		c.broken = fmt.Errorf(format, args...)
		c.world.logf("BROKEN: %v", c.broken)
	}
}
