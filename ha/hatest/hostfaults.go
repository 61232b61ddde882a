package hatest

import "time"

// SlowGuard lets a node's guard answer d late from now on: what it is asked it does
// in time. 0 ends that; answers that are under way stay late.
func (c *Cluster) SlowGuard(name string, d time.Duration) {
	c.world.logf("fault: %s guard answers %v late", name, d)
	c.node(name).guardLate = d
}

// FillRunDir leaves no room in a node's run directory, or makes some: neither a
// lease nor a pledge can be written down, what is there stays and can be removed.
func (c *Cluster) FillRunDir(name string, full bool) {
	c.world.logf("fault: %s run directory full %t", name, full)
	c.node(name).runDirFull = full
}
