package hatest

// MuteGuard lets a node's guard take requests, do what it must, and answer nobody.
func (c *Cluster) MuteGuard(name string) {
	if g := c.node(name).guard; g != nil && !g.dead {
		c.world.logf("fault: %s guard answers nobody", name)
		g.mute = true
	}
}

// UnmuteGuard lets it say what it hasn't said.
func (c *Cluster) UnmuteGuard(name string) {
	if g := c.node(name).guard; g != nil && g.mute {
		c.world.logf("fault: %s guard answers again", name)
		g.unmute()
	}
}

func (g *guard) unmute() {
	g.mute = false
	unsaid := g.unsaid
	g.unsaid = nil
	for _, do := range unsaid {
		g.say(do)
	}
}

// say sends an answer on its way to the agent.
func (g *guard) say(reply func()) {
	w := g.node.cluster.world
	w.in(w.delay(localDelay)+g.node.guardLate, "", func() {
		if g.mute {
			g.unsaid = append(g.unsaid, reply)
			return
		}
		reply()
	})
}

// OrphanServer ends a node's guard and leaves its server running, as one that ran
// before its guard, or before regent came: the next guard adopts it, and the kernel
// won't stop it when that one ends.
func (c *Cluster) OrphanServer(name string) {
	g := c.node(name).guard
	if g == nil || g.dead {
		return
	}
	c.world.logf("fault: %s server without the guard that started it", name)
	g.forked = false
	g.die()
}
