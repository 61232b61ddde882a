package hatest

import (
	"time"

	"github.com/regent-ha/regent/dcs"
)

// CutStore cuts a node from the store: what it sends, what comes back, or both.
func (c *Cluster) CutStore(name string, requests, replies bool) {
	c.world.logf("fault: %s cut from the store: requests %t, replies %t", name, requests, replies)
	n := c.node(name)
	n.toStoreCut, n.fromStoreCut = requests, replies
	if requests || replies {
		return
	}
	n.missedHint = true
	late := append(n.lateRequests, n.lateReplies...)
	n.lateRequests, n.lateReplies = nil, nil
	for _, do := range late {
		c.world.in(c.world.delay(storeLatency), "", do)
	}
}

// LoseRenewals lets no answer to a renewal that carries documents come back to a node.
func (c *Cluster) LoseRenewals(name string, lost bool) {
	c.world.logf("fault: %s answers of renewals with documents are lost %t", name, lost)
	c.node(name).lostRenewals = lost
}

// CutStoreInRenewal cuts a node from the store in the middle of its next renewal
// that carries documents, or that changes the failsafe map: it takes effect and its
// answer is lost with all that comes after.
func (c *Cluster) CutStoreInRenewal(name string, ofMap bool) {
	c.world.logf("fault: %s cut from the store in its next renewal, of the failsafe map %t", name, ofMap)
	c.node(name).cutInRenewal = "renew "
	if ofMap {
		c.node(name).cutInRenewal = "renew " + string(dcs.FailsafeKey)
	}
}

// FlakyStore makes a node's connections to the store break before or after the
// request, now and then.
func (c *Cluster) FlakyStore(name string, flaky bool) {
	c.world.logf("fault: %s store flaky %t", name, flaky)
	c.node(name).flaky = flaky
}

// SlowNetwork delays what a node's agent asks others, by up to d.
func (c *Cluster) SlowNetwork(name string, d time.Duration) {
	c.world.logf("fault: %s network slow by %v", name, d)
	c.node(name).slow = d
}

// StopStore lets the store refuse connections; StartStore brings it back.
func (c *Cluster) StopStore() {
	c.world.logf("fault: store down")
	c.store.set(storeDown)
}

// FreezeStore lets the store take requests and answer nobody.
func (c *Cluster) FreezeStore() {
	c.world.logf("fault: store frozen")
	c.store.set(storeFrozen)
}

// FillStore lets the store answer reads, and refuse to write anything.
func (c *Cluster) FillStore() {
	c.world.logf("fault: store full")
	c.store.set(storeFull)
}

// StartStore ends StopStore, FreezeStore and FillStore.
func (c *Cluster) StartStore() {
	c.world.logf("fault: store up")
	c.store.set(storeUp)
}

// WipeStore removes everything of the cluster's, the leader key included. That
// takes back what the store has granted: until the lease that was in force would
// have ended, two leaders are nobody's fault but the one's who wipes.
func (c *Cluster) WipeStore() error {
	c.world.logf("fault: store wiped")
	c.dataFault()
	c.revoked = c.world.time().Add(longestTTL)
	c.mapless = true
	return c.store.admin.RemoveCluster(noWait)
}

// CutPeers lets nothing through between two nodes' agents in one direction.
func (c *Cluster) CutPeers(from, to string, cut bool) {
	c.world.logf("fault: agents %s to %s cut %t", from, to, cut)
	c.apiCut[[2]int{c.node(from).index, c.node(to).index}] = cut
}

func (c *Cluster) peersCut(from, to *node) bool { return c.apiCut[[2]int{from.index, to.index}] }

// CutReplication lets no WAL through from one node's server to another's.
func (c *Cluster) CutReplication(from, to string, cut bool) {
	c.world.logf("fault: replication %s to %s cut %t", from, to, cut)
	c.dataFault()
	if cut {
		c.net.Cut(from, to)
	} else {
		c.net.Heal(from, to)
	}
}

// Isolate cuts a node off from everything, or connects it again.
func (c *Cluster) Isolate(name string, cut bool) {
	c.CutStore(name, cut, cut)
	for _, other := range c.nodes {
		if other.name != name {
			c.CutPeers(name, other.name, cut)
			c.CutPeers(other.name, name, cut)
			c.CutReplication(name, other.name, cut)
			c.CutReplication(other.name, name, cut)
		}
	}
}
