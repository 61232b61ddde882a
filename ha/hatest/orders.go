package hatest

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// Restart asks a node's agent to restart its server in place.
func (c *Cluster) Restart(name string) {
	c.order(name, "restart", func(ctx context.Context, a *ha.Agent) { _ = a.Restart(ctx) })
}

// Reinitialize asks a node's agent to make its replica's data anew.
func (c *Cluster) Reinitialize(name string) {
	c.order(name, "reinitialize", func(ctx context.Context, a *ha.Agent) { _ = a.Reinitialize(ctx, false, false) })
}

// Shutdown tells a node's agent to hand over, stop its server and end, as its
// service manager does.
func (c *Cluster) Shutdown(name string) {
	if p := c.node(name).process; p != nil {
		p.leaving = true
	}
	c.order(name, "shutdown", func(_ context.Context, a *ha.Agent) { a.Shutdown() })
}

// order lets an operator ask something of a node's agent. What becomes of it is in
// the agent's log.
func (c *Cluster) order(name, what string, do func(context.Context, *ha.Agent)) {
	n := c.node(name)
	if p := n.process; p != nil {
		c.world.logf("%s %s asked for", name, what)
		p.deliver(func() {
			agent := n.agent
			p.serving.Go(func() { do(p.ctx, agent) })
		})
	}
}

// Configure replaces the dynamic configuration, as regentctl does.
func (c *Cluster) Configure(config map[string]any) error {
	c.world.logf("configuration %v", config)
	settings, _, err := ha.ParseSettings(config, ha.ShortFloors())
	if err != nil {
		return err
	}
	text, err := json.Marshal(config)
	if err == nil {
		_, err = c.store.admin.Put(noWait, dcs.Write{Key: dcs.ConfigKey, Value: text, Prev: dcs.Any})
	}
	if err == nil {
		c.opts.settings, c.values = settings, config
	}
	return err
}

// configured notes what a leader put where the store had no configuration any more.
func (c *Cluster) configured(text []byte) {
	var values map[string]any
	if json.Unmarshal(text, &values) != nil {
		return
	}
	if s, _, err := ha.ParseSettings(values, ha.ShortFloors()); err == nil {
		c.opts.settings = s
	}
}

// ToggleFailsafe changes failsafe_mode and nothing else, as an operator does who
// reads that a member is barred by the failsafe map.
func (c *Cluster) ToggleFailsafe() error {
	config := maps.Clone(c.values)
	if text := c.Document(dcs.ConfigKey); text != nil {
		if err := json.Unmarshal(text, &config); err != nil {
			return err
		}
	}
	on, _ := config["failsafe_mode"].(bool)
	config["failsafe_mode"] = !on
	return c.Configure(config)
}

// Switchover asks for one, as regentctl does; an empty to leaves the choice.
func (c *Cluster) Switchover(from, to string) error {
	value, err := dcs.Failover{Leader: from, Candidate: to}.MarshalJSON()
	if err == nil {
		_, err = c.store.admin.Put(noWait, dcs.Write{Key: dcs.FailoverKey, Value: value, Prev: dcs.Any})
	}
	return err
}
