package hatest

import (
	"context"
	"testing"
	"time"

	"github.com/regent-ha/regent/ha"
)

// Neighbour makes another cluster in the same world: of the same scope, with nodes
// of the same names, and a store and data of its own. It runs whenever c does.
func (c *Cluster) Neighbour(t testing.TB) *Cluster {
	t.Helper()
	const apart = 100 // more nodes than a cluster has
	o := c.opts
	o.Trace = nil // the world has one
	neighbour, err := build(o, c.world, apart*(len(c.neighbours)+1))
	if err != nil {
		t.Fatal(err)
	}
	c.neighbours = append(c.neighbours, neighbour)
	t.Cleanup(neighbour.close)
	for _, n := range neighbour.nodes {
		c.world.in(c.world.between(0, time.Second), "", n.startAgent)
	}
	return neighbour
}

// Readdress gives the address of a node's API to a node of another cluster. The one
// that had it still reaches whom it did.
func (c *Cluster) Readdress(name string, to *Cluster, other string) {
	c.world.logf("fault: the address of %s is reused by %s of another cluster", name, other)
	if c.readdressed == nil {
		c.readdressed = map[string]*node{}
	}
	c.readdressed[name] = to.node(other)
}

// AskToPledge lets somebody who is no member ask a node's agent for a pledge. It
// returns the answer when that is there.
func (c *Cluster) AskToPledge(name string, r ha.PledgeRequest) (ha.PledgeAnswer, error) {
	var answer ha.PledgeAnswer
	var err error
	done := false
	p := c.node(name).process
	c.world.logf("a stranger asks %s to pledge to %s", name, r.Name)
	p.deliver(func() {
		p.serve("stranger", func(ctx context.Context) func() {
			a, e := p.node.agent.Pledge(ctx, r)
			return func() { answer, err, done = a, e, true }
		})
	})
	c.Await(5*time.Second, func() bool { return done })
	return answer, err
}
