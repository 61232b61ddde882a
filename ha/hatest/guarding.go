package hatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/ha"
)

// guarding is an agent's connection to its guard.
type guarding struct {
	process *process
	guard   *guard
}

var _ ha.Fence = (*guarding)(nil)

// connect takes the guard that runs on the host, or starts one.
func (p *process) connect(ctx context.Context) (ha.Fence, error) {
	n, w := p.node, p.world
	return request(ctx, p, "guard connect", func(reply func(ha.Fence, error)) {
		w.in(w.delay(10*localDelay), n.name+" guard connect", func() {
			if p.dead.Load() || n.down {
				return
			}
			g := n.guard
			if g == nil || g.dead {
				g = n.startGuard()
			}
			answer := g.await(func(err error) {
				g.say(func() { reply(&guarding{p, g}, err) })
			})
			g.deliver(func() { g.step(fence.AgentJoined{PID: p.pid}, answer) })
		})
	})
}

// tell sends one request to the guard. It arrives although the agent gives up or
// dies. The guard's death ends the connection, and so the wait.
func tell[T any](ctx context.Context, c *guarding, what string, do func(reply func(T, error))) (T, error) {
	w, g := c.process.world, c.guard
	return request(ctx, c.process, "guard "+what, func(reply func(T, error)) {
		var value T
		ended := g.await(func(err error) {
			g.say(func() { reply(value, err) })
		})
		answer := func(v T, err error) {
			value = v
			ended(err)
		}
		w.in(w.delay(localDelay), c.process.node.name+" guard "+what, func() {
			if g.dead {
				g.hangUp()
				return
			}
			g.deliver(func() { do(answer) })
		})
	})
}

var errGuardGone = errors.New("hatest: the connection to the guard has ended")

// await is a request's way back, which the guard's end closes.
func (g *guard) await(reply func(error)) func(error) {
	g.asked++
	id := g.asked
	ended := func(err error) {
		delete(g.waiting, id)
		reply(err)
	}
	g.waiting[id] = func() { ended(errGuardGone) }
	return ended
}

// hangUp fails every request that hasn't been answered.
func (g *guard) hangUp() {
	for _, id := range slices.Sorted(maps.Keys(g.waiting)) {
		g.waiting[id]()
	}
}

type nothing struct{}

// Arm implements ha.Fence.
func (c *guarding) Arm(ctx context.Context, a fence.Arm) error {
	_, err := tell(ctx, c, fmt.Sprintf("arm %d", a.Number), func(reply func(nothing, error)) {
		c.guard.step(fence.ArmAsked{Arm: a}, func(err error) { reply(nothing{}, err) })
	})
	return err
}

// Disarm implements ha.Fence.
func (c *guarding) Disarm(ctx context.Context, number uint64) error {
	_, err := tell(ctx, c, "disarm", func(reply func(nothing, error)) {
		c.guard.step(fence.DisarmAsked{Number: number, Server: c.process.node.runs()}, func(err error) { reply(nothing{}, err) })
	})
	return err
}

// State implements ha.Fence.
func (c *guarding) State(ctx context.Context) (fence.State, error) {
	return tell(ctx, c, "state", func(reply func(fence.State, error)) { reply(c.guard.core.State(), nil) })
}

// Launch implements ha.Fence.
func (c *guarding) Launch(ctx context.Context, command fence.Command) (int, error) {
	w, n, g := c.process.world, c.process.node, c.guard
	what := "launch standby"
	if command.Writable {
		what = "launch primary"
	}
	return tell(ctx, c, what, func(reply func(int, error)) {
		asked := fence.LaunchAsked{
			Writable: command.Writable || !n.inner.Look().Standby,
			Permit:   command.Permit, Server: n.runs(), Data: n.data(),
		}
		g.step(asked, func(err error) {
			if err != nil {
				w.logf("%s guard: %v", n.name, err)
				reply(0, err)
				return
			}
			g.launch = &launch{command: command, kills: g.kills, reply: reply}
		})
	})
}

// Lost implements ha.Fence.
func (c *guarding) Lost() <-chan struct{} { return c.guard.lost }

// Close implements ha.Fence.
func (c *guarding) Close() error {
	if c.process.dead.Load() {
		return nil
	}
	w := c.process.world
	w.arrive(arrival{node: c.process.node.index, kind: "guard bye", admit: func() {
		w.in(w.delay(localDelay), "", func() {
			c.guard.deliver(func() { c.guard.step(fence.AgentGone{PID: c.process.pid}, nil) })
		})
	}})
	return nil
}
