package hatest

// orderMishaps are what operators and service managers do at a bad moment.
var orderMishaps = []mishap{
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
	{"failsafe toggled", func(c *Cluster, _, _ *node) func() {
		if err := c.ToggleFailsafe(); err != nil {
			c.fail("toggle failsafe_mode: %v", err)
		}
		return nil
	}},
	{"reconfigured", func(c *Cluster, _, _ *node) func() {
		config := map[string]any{"failsafe_mode": !c.world.chance(4)}
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
