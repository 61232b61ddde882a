package fence

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/regent-ha/regent/clock"
)

// guard is the process around a Core. One goroutine owns the core, feeds it and
// starts what it wants done; nothing that may wait for a disk or a peer runs
// there.
type guard struct {
	settings
	clock clock.Clock
	log   *slog.Logger

	core     Core // of the loop alone
	inbox    chan message
	current  process // of the loop alone: launched or adopted
	order    *launch // of the loop alone: the launch that was asked for last
	state    atomic.Pointer[State]
	watching atomic.Bool
	wary     atomic.Bool
	wake     chan struct{} // to the watcher

	scope    *scope
	looker   *looker
	launcher *launcher
	killer   *killer
	scribe   *scribe
	sessions *sessions
	address  *address
	dirs     dataDirLock

	end chan int
}

// message is an event on its way to the core.
type message struct {
	event Event
	// before runs in the loop just before the event is taken.
	before func()
	// answer gets nil or the refusal, of a request.
	answer chan<- error
}

func openGuard(s settings) (*guard, error) {
	g := &guard{
		settings: s,
		clock:    clock.System(),
		inbox:    make(chan message, 64),
		wake:     make(chan struct{}, 1),
		end:      make(chan int, 1),
		scope:    newScope(os.Getpid()),
	}
	g.log = newLog(s.Place.log())
	g.looker = newLooker(g.scope, s.DataDir)
	g.launcher = &launcher{clock: g.clock, orders: make(chan launchOrder, 1)}
	g.killer = newKiller(g.scope, g.log, func() { g.inbox <- message{event: Killed{}} })
	g.scribe = newScribe(s, g.log)
	g.sessions = newSessions(g)
	g.address = &address{place: s.Place}
	if err := g.address.lock(); err != nil {
		return nil, err
	}
	if err := g.dirs.follow(g.DataDir, g.scope); err != nil {
		return nil, err
	}
	_, err := g.address.listen()
	return g, err
}

// run returns the exit code.
func (g *guard) run() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go g.launcher.run()
	g.step(g.clock.Now(), message{event: g.found()})
	go g.watch()
	go g.sessions.serve(g.address.listener)
	go g.keepAddress()
	var timer clock.Timer
	var at clock.Instant
	for {
		if next := g.core.Next(); timer == nil || next != at {
			if timer != nil {
				timer.Stop()
			}
			at = next
			timer = g.timer(at)
		}
		select {
		case m := <-g.inbox:
			g.step(g.clock.Now(), m)
		case <-timer.C():
			timer.Stop()
			timer = nil
			g.step(g.clock.Now(), message{event: Tick{}})
		case s := <-signals:
			if s != syscall.SIGHUP {
				g.log.Info("asked to end", "signal", s.String())
				g.step(g.clock.Now(), message{event: Ending{}})
			}
		case code := <-g.end:
			g.address.leave()
			return code
		}
	}
}

// timer of zero never fires.
func (g *guard) timer(at clock.Instant) clock.Timer {
	if at.IsZero() {
		return never{}
	}
	return g.clock.NewTimer(at)
}

type never struct{}

func (never) C() <-chan struct{} { return nil }
func (never) Stop()              {}

// latched is what the latch file says. One that can't be read says the worst.
func (g *guard) latched() Latch {
	latch, err := readLatch(g.Place.latch())
	if err != nil {
		g.log.Error("taking it that the guard had fired", "error", err)
		latch.Fired = true
	}
	return latch
}

// found looks around at the start.
func (g *guard) found() Started {
	latch := g.latched()
	server, err := g.looker.afresh()
	if err != nil {
		g.log.Error("looking for a running server", "error", err)
	}
	e := Started{Latch: latch, Server: server, Data: g.dataID(), AnswerIn: g.RetryTimeout}
	if r, err := ReadRecord(g.Place.lease()); err == nil {
		if err = r.Proves(g.DataDir, r.Member, systemIDOf(g.DataDir, r.SystemID)); err == nil {
			e.Lease = r.Arm()
		} else {
			g.log.Info("the lease file proves nothing", "reason", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		g.log.Error("the lease file can't be read", "error", err)
	}
	if server != None {
		g.adopt()
	}
	g.log.Info("guard started", "data_dir", g.DataDir, "pid", os.Getpid(), "server", server, "postmaster", g.current.pid, "grant", e.Lease.Grant, "fired", latch.Fired)
	return e
}

// adopt finds the postmaster that runs already and waits for its end.
func (g *guard) adopt() {
	members, _ := g.scope.find()
	for _, m := range members {
		if !m.root || m.servesNobody() {
			continue
		}
		p := process{pid: m.pid, start: m.start}
		g.current = p
		go func() {
			for {
				if now, err := readProcess(p.pid); err != nil || now.start != p.start {
					break
				}
				wait([]process{p}, lookEvery*20)
			}
			g.exited(p)
		}()
		return
	}
}

// exited reports the end of a server, unless another has taken its place.
func (g *guard) exited(p process) {
	g.inbox <- message{event: Tick{}, before: func() {
		if g.current == p {
			g.current = process{}
			g.step(g.clock.Now(), message{event: Exited{}})
		}
	}}
}

// step takes one message through the core.
func (g *guard) step(now clock.Instant, m message) {
	if m.before != nil {
		m.before()
	}
	fired := g.core.State().Fired
	for _, e := range g.core.Step(now, m.event) {
		g.do(e, m)
	}
	s := g.core.State()
	s.Guard, s.Postmaster = os.Getpid(), g.current.pid
	if s.Fired && !fired {
		g.log.Warn("fired: the deadline passed, or a writable server ran without an arm", "grant", s.Spent)
	}
	if !s.Fired && fired {
		g.log.Info("latch lifted", "grant", s.Arm.Grant)
	}
	g.state.Store(&s)
	g.wary.Store(g.core.Wary())
	if g.watching.Swap(g.core.Watching()) != g.core.Watching() {
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
}

func (g *guard) do(e Effect, m message) {
	switch e := e.(type) {
	case Accept:
		m.answer <- nil
	case Refuse:
		m.answer <- &e.Err
	case Fork:
		g.launcher.orders <- launchOrder{launch: *g.order, notAfter: e.NotAfter}
	case Interrupt:
		g.log.Info("fast shutdown", "postmaster", g.current.pid)
		g.killer.interrupt(g.current)
	case Kill:
		g.killer.kill(slices.Concat(g.looker.postmasters(), []process{g.current}))
	case KillAgent:
		g.sessions.killAgent(e.PID)
	case WriteLatch:
		g.scribe.latch(e.Latch)
	case WriteStandbySignal:
		g.scribe.standbySignal()
	case Exit:
		g.log.Info("guard ends: nothing is left to watch over")
		select {
		case g.end <- 0:
		default:
		}
	}
}
