package hatest

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// Chaos is a history with faults of all kinds, decided by its seed.
type Chaos struct {
	// Options of the cluster. Without a Config the seed chooses one.
	Options Options
	// Faults is how many there are; 0: 20.
	Faults int
	// Kinds limits what can happen, by the names that the trace shows; nil: all.
	Kinds []string
}

// timings are what a cluster may be configured with.
var timings = []map[string]any{
	{"ttl": 30, "loop_wait": 10, "retry_timeout": 10},
	{"ttl": 20, "loop_wait": 1, "retry_timeout": 3},
	{"ttl": 5, "loop_wait": 1, "retry_timeout": 1},
	{"ttl": 5, "loop_wait": 1, "retry_timeout": 1}, // a history of many ttl takes least there
}

// Run plays it and returns the first invariant that broke. It must be called
// inside a bubble (testing/synctest), which it leaves empty.
func (h Chaos) Run(t testing.TB) error {
	t.Helper()
	o := h.Options
	choice := newWorld(o.Seed ^ 0xC0FFEE).rng
	if o.Config == nil {
		o.Config = map[string]any{"failsafe_mode": choice.IntN(4) > 0}
		for key, value := range timings[choice.IntN(len(timings))] {
			o.Config[key] = value
		}
	}
	if o.Nodes == 0 {
		o.Nodes = []int{3, 3, 3, 2, 4, 5}[choice.IntN(6)]
	}
	if o.RowSize == 0 {
		// With short rows a standby that hasn't got any for long may still lead.
		o.RowSize = []int{64 << 10, 4 << 10}[choice.IntN(2)]
	}
	o.KeepMembers = o.KeepMembers || choice.IntN(4) == 0
	if o.Drift == 0 {
		o.Drift = 5000
	}
	if o.Speed == (postgrestest.Speed{}) {
		o.Speed.Timeout = time.Duration(5+choice.IntN(56)) * time.Second
	}
	c, err := build(o, newWorld(o.Seed), 0)
	if err != nil {
		return err
	}
	for _, n := range c.nodes {
		c.world.in(c.world.between(0, 3*time.Second), "", n.startAgent)
	}
	if last := c.nodes[len(c.nodes)-1]; len(c.nodes) > 2 && c.world.chance(3) {
		last.absent = true // it joins the cluster later
		c.world.in(c.world.between(3*time.Second, 12*c.opts.settings.TTL), "", func() { c.Join(last.name) })
	}
	h.live(c)
	c.close()
	return c.broken
}

func (h Chaos) live(c *Cluster) {
	ttl := c.opts.settings.TTL
	if early := c.world.chance(4); !early && !c.Await(3*ttl+time.Minute, func() bool { return c.Healthy() == "" }) {
		c.fail("a new cluster didn't get going: %s", c.Healthy())
		return
	}
	if c.world.chance(4) {
		c.begins()
	}
	faults := h.Faults
	if faults == 0 {
		faults = 20
	}
	for range faults {
		c.Run(c.pause())
		if c.broken != nil {
			return
		}
		if c.world.before != nil {
			// The moment that was waited for didn't come.
			c.world.before = nil
			c.mishap(h.Kinds, nil)
		} else if c.world.chance(3) {
			c.ambush(h.Kinds)
		} else {
			c.mishap(h.Kinds, nil)
		}
	}
	c.world.before = nil
	c.Run(c.world.between(0, 2*ttl))
	c.over = true
	c.Heal()
	c.healed()
}

// begins is a history in which a member has been away for so long that the failsafe map
// doesn't name it any more. It comes back in the course of it.
func (c *Cluster) begins() {
	ttl := c.opts.settings.TTL
	n := c.nodes[c.world.rng.IntN(len(c.nodes))]
	if n.absent || n.name == c.Leader() {
		return
	}
	back := c.StartAgent
	if c.world.chance(2) {
		c.KillAgent(n.name)
	} else {
		c.KillHost(n.name)
		back = c.BootHost
	}
	c.Run(c.world.between(5*ttl, 7*ttl))
	c.world.in(c.world.between(0, 8*ttl), "", func() { back(n.name) })
}

// pause is how long it is until the next fault. Faults come in clusters, and between
// them may be time in which what has gone wrong has all its consequences.
func (c *Cluster) pause() time.Duration {
	ttl := c.opts.settings.TTL
	switch c.world.rng.IntN(12) {
	case 0:
		return c.world.between(2*ttl, 8*ttl)
	case 1, 2, 3, 4:
		return c.world.between(0, 2*time.Second)
	}
	return c.world.between(0, ttl)
}

// lasting is how long a fault goes on. The long ones outlast the failsafe map, from
// which a member is dropped after five ttl, and WAL that others don't wait for.
func (c *Cluster) lasting() time.Duration {
	ttl := c.opts.settings.TTL
	if c.world.chance(2) {
		return c.world.between(5*ttl, 8*ttl)
	}
	return c.world.between(time.Second, 2*ttl)
}

// healed says whether the cluster comes back to what it should be, and keeps what
// is acknowledged from then on.
func (c *Cluster) healed() {
	limit := 5*c.opts.settings.TTL + 3*time.Minute
	asked := map[string]clock.Instant{}
	if !c.Await(limit, func() bool {
		for _, n := range c.nodes {
			n.startAgent() // one that was told to end before may end only now
			if n.agent != nil && !c.world.time().Before(asked[n.name]) && n.cloneable() {
				// It made a cluster while another was made: nothing is touched until somebody says so.
				// It may be refused, where the agent hasn't heard of the leader yet.
				asked[n.name] = c.world.time().Add(30 * time.Second)
				c.Reinitialize(n.name)
			}
		}
		return c.Healthy() == ""
	}) {
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

// cloneable says whether its agent stays out of another's cluster, and knows a leader
// whose data it can get.
func (n *node) cloneable() bool {
	r := n.agent.Report()
	return r.Decision.Rule == "initialize/foreign" && r.Cluster.Leader != nil && n.cluster.Leader() == r.Cluster.Leader.Name
}

// moments are what an ambush waits for: where a step is taken that can't be taken
// back, or one that others rely on.
var moments = []string{
	"store acquire", "store renew", "store renew failsafe", "store release", "store resume", "store put initialize", "store read",
	"guard connect", "guard arm", "guard disarm", "guard launch primary", "guard launch standby",
	"postgresql promote", "postgresql promote now", "postgresql stop", "postgresql start primary",
	"postgresql start standby", "postgresql recover", "postgresql rewind", "postgresql clone",
	"postgresql compare", "postgresql follow", "postgresql initdb", "postgresql post_bootstrap",
	"pledge", "pledge", "pledge", "server exited", "hint",
}

// ambush lets something go wrong at the very node that is about to do something,
// the next time that one is, or at the one whom it asks; right before it, while it is
// under way, or a moment later.
func (c *Cluster) ambush(kinds []string) {
	moment := moments[c.world.rng.IntN(len(moments))]
	late := c.world.rng.IntN(3) // how many times it is let pass
	after := []time.Duration{0, 2 * storeLatency, 2 * time.Second}[c.world.rng.IntN(3)]
	asked := c.world.chance(2)
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
		n := c.node(name)
		if _, whom, ok := strings.Cut(doing, " "); ok && asked {
			n = cmp.Or(c.find(whom), n)
		}
		if after == 0 {
			c.mishap(kinds, n)
			return
		}
		c.world.in(c.world.between(0, after), "", func() { c.mishap(kinds, n) })
	}
}

// givers are the nodes whose pledges count now.
func (c *Cluster) givers() (all []*node) {
	for _, n := range c.nodes {
		if !n.keepsStillFor(nil).IsZero() {
			all = append(all, n)
		}
	}
	return all
}

// mishap lets something go wrong, at a node or by default most often at the leader, or
// at one who has pledged to it.
func (c *Cluster) mishap(kinds []string, at *node) {
	all := draws()
	m := all[c.world.rng.IntN(len(all))]
	for len(kinds) > 0 && !contains(kinds, m.name) {
		m = all[c.world.rng.IntN(len(all))]
	}
	i := c.world.rng.IntN(len(c.nodes))
	if leader := c.Leader(); leader != "" && c.world.chance(2) {
		i = c.node(leader).index
	}
	if givers := c.givers(); len(givers) > 0 && c.world.chance(2) {
		i = givers[c.world.rng.IntN(len(givers))].index
	}
	if at != nil {
		i = at.index
	}
	n := c.nodes[i]
	other := c.nodes[(i+1+c.world.rng.IntN(len(c.nodes)-1))%len(c.nodes)]
	if leader := c.Leader(); leader != "" && leader != n.name && c.world.chance(2) {
		other = c.node(leader)
	}
	if n.down || n.frozen || n.spared || n.absent || c.over {
		return
	}
	c.world.logf("mishap: %s at %s", m.name, n.name)
	if end := m.do(c, n, other); end != nil {
		c.world.in(c.lasting(), "", end)
	}
}
