package hatest

import (
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/postgres"
)

// guard is the process around one fence.Core: what the real one does with
// processes and files it does with the fake server and the node's notes.
type guard struct {
	node   *node
	core   fence.Core
	dead   bool
	frozen bool
	held   []func()
	mute   bool // answers nobody
	unsaid []func()
	lost   chan struct{}
	ticks  int  // newest tick asked for
	forked bool // the server that runs is its child
	kills  int
	launch *launch // accepted and not answered yet

	asked   int
	waiting map[int]func() // by request: fails it, if it has had no answer
}

type launch struct {
	command fence.Command
	kills   int
	reply   func(int, error)
}

func (n *node) startGuard() *guard {
	g := &guard{node: n, lost: make(chan struct{}), waiting: map[int]func(){}}
	n.guard = g
	started := fence.Started{Latch: n.latch, Server: n.runs(), Data: n.data(), AnswerIn: n.cluster.opts.settings.RetryTimeout}
	if note, err := n.notes.lease(n); err == nil {
		started.Lease = fence.Arm{Number: note.Number, Grant: note.Grant, Fast: note.Fast, Kill: note.Kill}
	}
	g.step(started, nil)
	n.promotion()
	return g
}

// promotion tells the guard of one that was asked for, as the file of the request does.
func (n *node) promotion() {
	g, w := n.guard, n.cluster.world
	w.in(w.between(0, 5*time.Millisecond), "", func() {
		g.deliver(func() {
			if asked, err := n.inner.Promoting(noWait); asked && err == nil && g.core.Wary() {
				g.step(fence.Promoting{}, nil)
			}
		})
	})
}

// data is the identity of the data directory.
func (n *node) data() string { return fmt.Sprintf("%s/%d", n.name, n.inner.Kept()) }

// runs is what a guard sees by looking.
func (n *node) runs() fence.Server {
	switch l := n.inner.Look(); {
	case l.Process == 0:
		return fence.None
	case l.Standby:
		return fence.Standby
	}
	return fence.Writable
}

// deliver lets something reach the guard.
func (g *guard) deliver(do func()) {
	switch {
	case g.dead:
	case g.frozen:
		g.held = append(g.held, do)
	default:
		do()
	}
}

func (g *guard) thaw() {
	g.frozen = false
	held := g.held
	g.held = nil
	for _, do := range held {
		g.deliver(do)
	}
}

// die ends the guard. The kernel tells a server that it forked.
func (g *guard) die() {
	if g.dead {
		return
	}
	g.dead, g.held = true, nil
	g.unmute()
	g.hangUp()
	if g.forked && !g.node.down {
		g.node.inner.Interrupt()
	}
	w, lost := g.node.cluster.world, g.lost
	if p := g.node.process; p != nil {
		w.in(w.delay(localDelay), "", func() { p.deliver(func() { close(lost) }) })
	}
}

// step feeds the core and does what it says.
func (g *guard) step(e fence.Event, reply func(error)) {
	w, n := g.node.cluster.world, g.node
	before := g.core.State()
	for _, effect := range g.core.Step(n.clock.Now(), e) {
		switch effect := effect.(type) {
		case fence.Accept:
			if reply != nil {
				reply(nil)
			}
		case fence.Refuse:
			if reply != nil {
				reply(&effect.Err)
			}
		case fence.Fork:
			w.in(w.delay(localDelay), "", func() { g.deliver(func() { g.fork(effect) }) })
		case fence.Interrupt:
			w.logf("%s guard: fast shutdown", n.name)
			g.stopsStandby(before, "fast")
			n.inner.Interrupt()
		case fence.Kill:
			w.logf("%s guard: kill", n.name)
			g.stopsStandby(before, "kill")
			g.kills++
			w.in(w.between(time.Millisecond, 50*time.Millisecond), "", func() { g.deliver(g.kill) })
		case fence.WriteLatch:
			if n.runDirFull {
				w.logf("%s guard: the latch isn't on disk", n.name)
				break
			}
			n.latch = effect.Latch
		case fence.WriteStandbySignal:
			n.inner.ForceStandby()
		case fence.Exit:
			w.logf("%s guard: exit", n.name)
			g.die()
			return
		}
	}
	g.plan()
}

// plan comes back when the core wants to be asked.
func (g *guard) plan() {
	next := g.core.Next()
	if next.IsZero() {
		return
	}
	g.ticks++
	tick := g.ticks
	g.node.cluster.world.at(g.node.clock.when(next), "", func() {
		if tick == g.ticks {
			g.deliver(func() { g.step(fence.Tick{}, nil) })
		}
	})
}

func (g *guard) fork(f fence.Fork) {
	l := g.launch
	g.launch = nil
	if l == nil {
		return
	}
	n := g.node
	err := errors.New("hatest: the launch came too late")
	pid := 0
	if (f.NotAfter.IsZero() || n.clock.Now().Before(f.NotAfter)) && g.kills == l.kills {
		pid, err = n.inner.Fork(postgres.Command{Path: l.command.Path, Args: l.command.Args, Dir: l.command.Dir, Writable: l.command.Writable})
	}
	if err != nil {
		g.step(fence.ForkFailed{}, nil)
		l.reply(0, err)
		return
	}
	g.forked = true
	n.cluster.world.logf("%s guard: forked %d, %s", n.name, pid, n.runs())
	g.step(fence.Forked{}, nil)
	l.reply(pid, nil)
}

func (g *guard) kill() {
	g.node.inner.Kill()
	g.step(fence.Killed{}, nil)
}

// changed tells the guard what has become of the server.
func (g *guard) changed(s fence.Server) {
	w := g.node.cluster.world
	if s == fence.None {
		g.forked = false
		w.in(w.delay(localDelay), "", func() { g.deliver(func() { g.step(fence.Exited{}, nil) }) })
		return
	}
	w.in(w.between(0, guardLook), "", func() {
		g.deliver(func() {
			if g.core.Watching() {
				g.step(fence.Looked{Server: g.node.runs(), Began: g.node.clock.Now()}, nil)
			}
		})
	})
}

// guardLook is how often a guard looks that has to.
const guardLook = 50 * time.Millisecond
