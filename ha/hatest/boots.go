package hatest

import (
	"time"

	"github.com/regent-ha/regent/fence"
)

// emptyRunDir is what a boot does to a tmpfs: the notes of the agent and the latch
// of the guard are gone.
func (n *node) emptyRunDir() {
	n.notes, n.latch = notes{}, fence.Latch{}
	n.forgot = n.cluster.world.time()
}

// StopContainer ends everything of a node at once, while its machine goes on: the
// boot id stays, the run directory is gone with it.
func (c *Cluster) StopContainer(name string) {
	n := c.node(name)
	if n.down {
		return
	}
	c.world.logf("fault: %s container stopped", name)
	c.dataFault()
	n.down, n.contained = true, true
	n.endAll()
	n.inner.Kill()
	n.lease, n.leaseEnd = noLease, 0
}

// StartContainer starts a new one on the same data.
func (c *Cluster) StartContainer(name string) {
	n := c.node(name)
	if !n.contained {
		return
	}
	c.world.logf("fault: %s container starts", name)
	n.down, n.contained = false, false
	n.emptyRunDir()
	n.startAgent()
}

// endAll ends agent and guard together. The server is the caller's.
func (n *node) endAll() {
	n.thawHost()
	n.killAgent()
	if n.guard != nil {
		n.guard.die()
		n.guard = nil
	}
}

// LosePower ends every host at once; each boots within longest, at a moment of its
// own. With emptied the store comes back without anything, too.
func (c *Cluster) LosePower(longest time.Duration, emptied bool) {
	c.world.logf("fault: power lost")
	for _, n := range c.nodes {
		if n.absent {
			continue
		}
		if !n.down {
			c.KillHost(n.name)
		}
		n.spared = false
		c.world.in(c.world.between(time.Second, longest), "", func() {
			c.StartContainer(n.name)
			c.BootHost(n.name)
		})
	}
	if !emptied {
		return
	}
	c.world.logf("fault: store emptied")
	if err := c.store.admin.RemoveCluster(noWait); err != nil {
		c.fail("empty the store: %v", err)
	}
	c.failsafe, c.emptied = nil, true
}
