package hatest

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// Err is the first invariant that broke, or nil.
func (c *Cluster) Err() error { return c.broken }

// Now is for how long the cluster has existed, in true time.
func (c *Cluster) Now() time.Duration { return c.world.time().Sub(clock.Instant(time.Hour)) }

// Names are the nodes'.
func (c *Cluster) Names() []string {
	var names []string
	for _, n := range c.nodes {
		names = append(names, n.name)
	}
	return names
}

// Agent is the agent that runs on a node; nil: none.
func (c *Cluster) Agent(name string) *ha.Agent { return c.node(name).agent }

// Server is the fake server of a node.
func (c *Cluster) Server(name string) *postgrestest.Server { return c.node(name).inner }

// Leader is the node whose server takes writes; empty: none does.
func (c *Cluster) Leader() string {
	for _, n := range c.nodes {
		if n.inner.Writable() {
			return n.name
		}
	}
	return ""
}

// Replicas are the nodes whose servers stream, in order.
func (c *Cluster) Replicas() []string {
	var names []string
	for _, n := range c.nodes {
		if l := n.inner.Look(); l.Streaming && l.Running {
			names = append(names, n.name)
		}
	}
	return names
}

// Healthy says why the cluster isn't whole: one leader, everybody else streams
// from it. Empty: it is.
func (c *Cluster) Healthy() string {
	leader := c.Leader()
	if leader == "" {
		return "nobody takes writes"
	}
	end := c.node(leader).inner.Look()
	for _, n := range c.nodes {
		l := n.inner.Look()
		switch {
		case n.absent:
		case n.process == nil || n.process.frozen:
			return n.name + " has no agent"
		case n.process.leaving:
			return n.name + " has an agent that was told to end"
		case n.name == leader:
		case !l.Streaming || !l.Running:
			return n.name + " doesn't stream"
		case l.Timeline != end.Timeline:
			return fmt.Sprintf("%s is on timeline %d, the leader on %d", n.name, l.Timeline, end.Timeline)
		}
	}
	return ""
}

// Document is what the store has under a key; nil: nothing.
func (c *Cluster) Document(key dcs.Key) []byte {
	s, err := c.store.admin.Read(noWait)
	if err != nil {
		return nil
	}
	return s.Documents[key].Value
}

// Cluster is the store's view, past all faults.
func (c *Cluster) Cluster() dcs.Cluster {
	s, err := c.store.admin.Read(noWait)
	if err != nil {
		return dcs.Cluster{}
	}
	return dcs.ParseCluster(s)
}

// noWait is for calls on the store itself, which take no time.
var noWait = context.Background()

// Tail writes the last lines of the history.
func (c *Cluster) Tail(w io.Writer) {
	for _, line := range c.world.trace.tail {
		fmt.Fprint(w, line)
	}
}
