package hatest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/postgres/postgrestest"
)

// Chaos is a history with faults of all kinds, decided by its seed.
type Chaos struct {
	// Options of the cluster. Without a Config the seed chooses one.
	Options Options
	// Faults is how many there are; 0: 15.
	Faults int
	// Kinds limits what can happen, by the names that the trace shows; nil: all.
	Kinds []string
}

// timings are what a cluster may be configured with.
var timings = []map[string]any{
	{"ttl": 30, "loop_wait": 10, "retry_timeout": 10},
	{"ttl": 20, "loop_wait": 1, "retry_timeout": 3},
	{"ttl": 5, "loop_wait": 1, "retry_timeout": 1},
}

// Run plays it and returns the first invariant that broke. It must be called
// inside a bubble (testing/synctest), which it leaves empty.
func (h Chaos) Run(t testing.TB) error {
	t.Helper()
	err, _ := h.play()
	return err
}

// play returns the history's digest as well.
func (h Chaos) play() (error, []byte) {
	o := h.Options
	choice := newWorld(o.Seed ^ 0xC0FFEE).rng
	if o.Config == nil {
		o.Config = map[string]any{"failsafe_mode": choice.IntN(2) == 0}
		for key, value := range timings[choice.IntN(len(timings))] {
			o.Config[key] = value
		}
	}
	if o.Nodes == 0 {
		o.Nodes = []int{3, 3, 3, 2, 4, 5}[choice.IntN(6)]
	}
	if o.Drift == 0 {
		o.Drift = 5000
	}
	if o.Speed == (postgrestest.Speed{}) {
		o.Speed.Timeout = time.Duration(5+choice.IntN(56)) * time.Second
	}
	c, err := build(o)
	if err != nil {
		return err, nil
	}
	for _, n := range c.nodes {
		c.world.in(c.world.between(0, 3*time.Second), "", n.startAgent)
	}
	h.Options = o
	h.live(c)
	c.close()
	return c.broken, c.world.trace.sum.Sum(nil)
}

func (h Chaos) live(c *Cluster) {
	ttl := c.opts.settings.TTL
	if early := c.world.chance(4); !early && !c.Await(3*ttl+time.Minute, func() bool { return c.Healthy() == "" }) {
		c.fail("a new cluster didn't get going: %s", c.Healthy())
		return
	}
	faults := h.Faults
	if faults == 0 {
		faults = 15
	}
	for range faults {
		c.Run(c.world.between(0, ttl))
		if c.broken != nil {
			return
		}
		if c.world.chance(2) {
			c.ambush(h.Kinds)
		} else {
			c.mishap(h.Kinds, nil)
		}
	}
	c.world.before = nil
	c.Run(c.world.between(0, 2*ttl))
	c.Heal()
	c.healed()
}

// healed says whether the cluster comes back to what it should be, and keeps what
// is acknowledged from then on.
func (c *Cluster) healed() {
	limit := 5*c.opts.settings.TTL + 3*time.Minute
	if !c.Await(limit, func() bool { return c.Healthy() == "" }) {
		c.fail("the cluster didn't heal in %v: %s", limit, c.Healthy())
		return
	}
	c.ledger.rows = c.ledger.rows[:0]
	c.Run(3 * c.opts.settings.TTL)
	if why := c.Healthy(); why != "" {
		c.fail("the cluster healed and didn't stay so: %s", why)
	}
	c.Run(time.Second)
	if n := len(c.ledger.rows); n > 3*len(c.nodes) && c.broken == nil {
		c.fail("%d rows that were acknowledged after the cluster had healed are not on every node", n)
	}
}

// mishap is one fault, which ends by itself later.
type mishap struct {
	name string
	do   func(c *Cluster, n, other *node) (end func())
}

var mishaps = []mishap{
	{"agent killed", func(c *Cluster, n, _ *node) func() {
		c.KillAgent(n.name)
		return func() { c.StartAgent(n.name) }
	}},
	{"agent restarted", func(c *Cluster, n, _ *node) func() {
		c.KillAgent(n.name)
		c.StartAgent(n.name)
		return nil
	}},
	{"agent frozen", func(c *Cluster, n, _ *node) func() {
		if n.guardTroubled() {
			return nil
		}
		c.FreezeAgent(n.name)
		return func() { c.ThawAgent(n.name) }
	}},
	{"guard killed", func(c *Cluster, n, _ *node) func() {
		if n.guard != nil && !n.guard.frozen {
			c.KillGuard(n.name)
		}
		return nil
	}},
	{"guard frozen", func(c *Cluster, n, _ *node) func() {
		if n.process == nil || n.process.frozen {
			return nil
		}
		c.FreezeGuard(n.name)
		n.spared = true
		return func() {
			c.ThawGuard(n.name)
			n.spared = false
		}
	}},
	{"host lost", func(c *Cluster, n, _ *node) func() {
		c.KillHost(n.name)
		return func() { c.BootHost(n.name) }
	}},
	{"host frozen", func(c *Cluster, n, _ *node) func() {
		c.FreezeHost(n.name)
		return func() { c.ThawHost(n.name) }
	}},
	{"postgresql killed", func(c *Cluster, n, _ *node) func() {
		c.KillPostgreSQL(n.name)
		return nil
	}},
	{"postgresql hangs", func(c *Cluster, n, _ *node) func() {
		c.HangPostgreSQL(n.name)
		return nil
	}},
	{"disk full", func(c *Cluster, n, _ *node) func() {
		c.FillDisk(n.name, true)
		return func() { c.FillDisk(n.name, false) }
	}},
	{"replay delayed", func(c *Cluster, n, _ *node) func() {
		c.DelayReplay(n.name, c.world.between(time.Second, 30*time.Second))
		return func() { c.DelayReplay(n.name, 0) }
	}},
	{"store cut", func(c *Cluster, n, _ *node) func() {
		way := c.world.rng.IntN(3)
		c.CutStore(n.name, way != 1, way != 2)
		return func() { c.CutStore(n.name, false, false) }
	}},
	{"store flaky", func(c *Cluster, n, _ *node) func() {
		c.FlakyStore(n.name, true)
		return func() { c.FlakyStore(n.name, false) }
	}},
	{"network slow", func(c *Cluster, n, _ *node) func() {
		c.SlowNetwork(n.name, c.world.between(100*time.Millisecond, 5*time.Second))
		return func() { c.SlowNetwork(n.name, 0) }
	}},
	{"store down", func(c *Cluster, _, _ *node) func() {
		c.StopStore()
		return func() { c.StartStore() }
	}},
	{"store frozen", func(c *Cluster, _, _ *node) func() {
		c.FreezeStore()
		return func() { c.StartStore() }
	}},
	{"store wiped", func(c *Cluster, _, _ *node) func() {
		if !c.quiet() {
			return nil
		}
		if err := c.WipeStore(); err != nil {
			c.fail("wipe the store: %v", err)
		}
		return nil
	}},
	{"agents cut", func(c *Cluster, n, other *node) func() {
		c.CutPeers(n.name, other.name, true)
		if c.world.chance(2) {
			c.CutPeers(other.name, n.name, true)
		}
		return func() {
			c.CutPeers(n.name, other.name, false)
			c.CutPeers(other.name, n.name, false)
		}
	}},
	{"replication cut", func(c *Cluster, n, other *node) func() {
		c.CutReplication(n.name, other.name, true)
		return func() { c.CutReplication(n.name, other.name, false) }
	}},
	{"isolated", func(c *Cluster, n, _ *node) func() {
		c.Isolate(n.name, true)
		return func() { c.Isolate(n.name, false) }
	}},
	{"switchover", func(c *Cluster, n, _ *node) func() {
		if leader := c.Leader(); leader != "" {
			to := n.name
			if to == leader || c.world.chance(2) {
				to = ""
			}
			c.world.logf("switchover from %s to %s", leader, to)
			if err := c.Switchover(leader, to); err != nil {
				c.fail("ask for a switchover: %v", err)
			}
		}
		return nil
	}},
	{"reconfigured", func(c *Cluster, _, _ *node) func() {
		config := map[string]any{"failsafe_mode": c.world.chance(2)}
		for key, value := range timings[c.world.rng.IntN(len(timings))] {
			config[key] = value
		}
		if err := c.Configure(config); err != nil {
			c.fail("write the configuration: %v", err)
		}
		return nil
	}},
	{"agent shut down", func(c *Cluster, n, _ *node) func() {
		c.Shutdown(n.name)
		return func() { c.StartAgent(n.name) }
	}},
	{"reinitialize", func(c *Cluster, n, _ *node) func() {
		c.Reinitialize(n.name)
		return nil
	}},
	{"restart", func(c *Cluster, n, _ *node) func() {
		c.Restart(n.name)
		return nil
	}},
}

// quiet says whether every agent reaches every other and the store. Who removes
// the leader key by hand takes the lease's word back, and only the agents' own
// questions to one another keep two primaries apart then.
func (c *Cluster) quiet() bool {
	for _, n := range c.nodes {
		if n.process == nil || n.process.frozen || n.down || n.toStoreCut || n.fromStoreCut || n.slow > 0 {
			return false
		}
		for _, other := range c.nodes {
			if c.peersCut(n, other) {
				return false
			}
		}
	}
	return c.store.mode == storeUp
}

// guardTroubled says whether the guard can't stand in for the agent now.
func (n *node) guardTroubled() bool { return n.guard == nil || n.guard.dead || n.guard.frozen }

// moments are what an ambush waits for: where a step is taken that can't be taken
// back, or one that others rely on.
var moments = []string{
	"store acquire", "store renew", "store release", "store resume", "store put initialize", "store read",
	"guard connect", "guard arm", "guard disarm", "guard launch primary", "guard launch standby",
	"postgresql promote", "postgresql promote now", "postgresql stop", "postgresql start primary",
	"postgresql start standby", "postgresql recover", "postgresql rewind", "postgresql clone",
	"postgresql compare", "postgresql follow", "postgresql initdb", "postgresql post_bootstrap",
	"pledge", "server exited", "hint",
}

// ambush lets something go wrong at the very node that is about to do something,
// the next time that one is.
func (c *Cluster) ambush(kinds []string) {
	moment := moments[c.world.rng.IntN(len(moments))]
	late := c.world.rng.IntN(3) // how many times it is let pass
	c.world.logf("ambush: waiting for %s", moment)
	c.world.before = func(what string) {
		name, doing, _ := strings.Cut(what, " ")
		if !strings.HasPrefix(doing, moment) {
			return
		}
		if late--; late >= 0 {
			return
		}
		c.world.before = nil
		c.mishap(kinds, c.node(name))
	}
}

// mishap lets something go wrong, at a node or by default most often at the leader.
func (c *Cluster) mishap(kinds []string, at *node) {
	m := mishaps[c.world.rng.IntN(len(mishaps))]
	for len(kinds) > 0 && !contains(kinds, m.name) {
		m = mishaps[c.world.rng.IntN(len(mishaps))]
	}
	i := c.world.rng.IntN(len(c.nodes))
	if leader := c.Leader(); leader != "" && c.world.chance(2) {
		i = c.node(leader).index
	}
	if at != nil {
		i = at.index
	}
	n := c.nodes[i]
	other := c.nodes[(i+1+c.world.rng.IntN(len(c.nodes)-1))%len(c.nodes)]
	if n.down || n.frozen || n.spared {
		return
	}
	c.world.logf("mishap: %s at %s", m.name, n.name)
	if end := m.do(c, n, other); end != nil {
		c.world.in(c.world.between(time.Second, 2*c.opts.settings.TTL), "", end)
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Tail writes the last lines of the history.
func (c *Cluster) Tail(w io.Writer) {
	for _, line := range c.world.trace.tail {
		fmt.Fprint(w, line)
	}
}
