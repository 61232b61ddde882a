package fence

import (
	"fmt"
	"slices"
	"time"

	"github.com/regent-ha/regent/clock"
)

const (
	// adoptedGrace is how long a server that no agent spoke for has for its fast
	// shutdown.
	adoptedGrace = time.Second
	// linger is how long a guard with nothing to watch over waits for an agent.
	linger = 10 * time.Second
)

// Core is what a guard decides with: no I/O, no clock, no goroutine. Feed it
// what happened with Step, do what that returns, and come back at Next. It is a
// plain value: a copy goes its own way, and equal Cores answer alike.
//
// The zero Core is a guard that is latched and has seen nothing.
type Core struct {
	number      uint64
	arm         Arm  // without a grant: of a server that was found running, and for that one alone
	interrupted bool // Interrupt went out for arm
	asked       bool // somebody asked for the promotion of that one
	held        bool
	fired       bool
	killing     bool
	ending      bool
	spent       Spent

	server    Server
	launching bool          // between Fork and its answer
	changed   clock.Instant // when it last became known what runs; a look from before tells nothing
	ran       string        // data directory of the last server
	fenced    string        // data directory that must come back as a standby

	agent     int
	killAgent bool
	armer     int // agent that armed last
	quietAt   clock.Instant
}

// Step takes one event at now and returns what is to be done, in order. What has
// become due by now comes before what the event asks for: an arm that was under
// way while the guard was frozen past its deadline comes too late.
func (c *Core) Step(now clock.Instant, e Event) []Effect {
	out := c.due(now, nil)
	out = append(out, c.take(now, e)...)
	out = c.due(now, out)
	return c.rest(now, out)
}

// Next is when Step wants a Tick; zero: only when something happens.
func (c *Core) Next() clock.Instant {
	next := c.quietAt
	if c.held {
		return next
	}
	if !c.interrupted {
		next = clock.Earliest(next, c.arm.Fast)
	}
	return clock.Earliest(next, c.arm.Kill)
}

// Watching says whether Looked is wanted over and over: not armed, and nobody
// was given time to speak for what runs.
func (c *Core) Watching() bool {
	return c.arm.Grant == "" && (c.fired || c.arm.Kill.IsZero() && !c.held)
}

// Wary says whether Promoting is wanted: no grant allows a promotion.
func (c *Core) Wary() bool { return c.arm.Grant == "" }

// State tells what it knows.
func (c *Core) State() State {
	return State{
		Agent: c.agent, Server: c.runs(), Number: c.number, Arm: c.arm, Held: c.held,
		Fired: c.fired, Killing: c.killing, Spent: c.spent.last(), Fenced: c.fenced,
	}
}

func (c *Core) runs() Server {
	if c.server == "" {
		return None
	}
	return c.server
}

func (c *Core) take(now clock.Instant, e Event) []Effect {
	switch e := e.(type) {
	case Started:
		return c.start(now, e)
	case AgentJoined:
		return c.join(e)
	case AgentGone:
		c.leave(e.PID)
	case ArmAsked:
		return c.rearm(now, e.Arm)
	case DisarmAsked:
		return c.disarm(e)
	case HoldAsked:
		return c.hold(e)
	case LaunchAsked:
		return c.launch(now, e)
	case Forked, ForkFailed:
		return c.launched(now, e)
	case Exited:
		if !c.launching {
			c.server, c.changed = None, now
			c.foundEnded()
		}
	case Looked:
		if !e.Began.Before(c.changed) {
			return c.look(e.Server)
		}
	case Promoting:
		return c.promoting()
	case Killed:
		return c.killed(now)
	case Moved:
		return c.move(e.Latch)
	case Ending:
		c.ending = true
		return []Effect{Interrupt{}}
	}
	return nil
}

// due fires, or asks for the fast shutdown, when the time has come.
func (c *Core) due(now clock.Instant, out []Effect) []Effect {
	switch {
	case c.held || c.arm.Kill.IsZero():
	case !now.Before(c.arm.Kill):
		return append(out, c.fire()...)
	case !c.interrupted && !now.Before(c.arm.Fast):
		c.interrupted = true
		return append(out, Interrupt{})
	}
	return out
}

// fire kills and latches. Nothing that touches a disk comes before the kill.
func (c *Core) fire() []Effect {
	out := []Effect{Kill{}}
	if c.killAgent && c.armer != 0 && c.armer == c.agent && c.arm.Grant != "" {
		out = append(out, KillAgent{PID: c.armer})
	}
	c.spent.add(c.arm.Grant)
	if c.ran != "" {
		c.fenced = c.ran
	}
	c.fired, c.killing, c.held, c.interrupted, c.asked, c.arm = true, true, false, false, false, Arm{}
	return append(out, WriteLatch{c.latch()})
}

// rest ends a guard that has nothing to watch over.
func (c *Core) rest(now clock.Instant, out []Effect) []Effect {
	idle := c.runs() == None && !c.launching && !c.killing
	quiet := idle && c.agent == 0 && c.arm.Kill.IsZero() && !c.fired && !c.held
	switch {
	case idle && c.ending:
		return append(out, Exit{})
	case !quiet:
		c.quietAt = 0
	case c.quietAt.IsZero():
		c.quietAt = now.Add(linger)
	case !now.Before(c.quietAt):
		return append(out, Exit{})
	}
	return out
}

func (c *Core) start(now clock.Instant, e Started) []Effect {
	c.number = max(e.Latch.Number, e.Lease.Number)
	c.fired, c.fenced = e.Latch.Fired, e.Latch.Fenced
	for _, grant := range slices.Backward(e.Latch.Spent) {
		c.spent.add(grant)
	}
	if c.server = e.Server; c.runs() == None {
		return nil
	}
	c.ran = e.Data
	switch {
	case e.Lease.Grant != "" && !c.spent.has(e.Lease.Grant):
		c.arm, c.fired = e.Lease, false
	default:
		answer := now.Add(e.AnswerIn)
		c.arm = Arm{Fast: answer, Kill: answer.Add(adoptedGrace)}
		return c.look(e.Server)
	}
	return nil
}

// found says whether the arm in force is that of a server which was found running.
func (c *Core) found() bool { return c.arm.Grant == "" && !c.arm.Kill.IsZero() }

// foundEnded ends the arm of a server that was found running, with that server: it
// says nothing about the next one.
func (c *Core) foundEnded() {
	if c.found() {
		c.arm, c.interrupted, c.asked = Arm{}, false, false
	}
}

func (c *Core) join(e AgentJoined) []Effect {
	if c.agent != 0 && c.agent != e.PID {
		return refuse(RefusedBusy, "the agent with pid %d has this data directory and lives", c.agent)
	}
	c.agent, c.killAgent = e.PID, e.Kill
	return []Effect{Accept{}}
}

func (c *Core) leave(pid int) {
	if c.agent == pid {
		c.agent = 0
	}
	if c.armer == pid {
		c.armer = 0
	}
}

func (c *Core) rearm(now clock.Instant, a Arm) []Effect {
	switch {
	case a.Number == 0 || a.Grant == "" || a.Fast <= 0 || a.Kill.Before(a.Fast):
		return refuse(RefusedInvalid, "an arm needs a number, a grant, and an instant for the kill that isn't before the fast shutdown's")
	case a.Number <= c.number:
		return c.usedUp(a.Number)
	case c.spent.has(a.Grant):
		return refuse(RefusedSpent, "the guard fired on this grant")
	case c.killing:
		return refuse(RefusedKilling, "what ran under the last grant isn't gone yet")
	case c.arm.Grant == "" && !now.Before(a.Fast):
		return refuse(RefusedLate, "the arm's first instant passed %v ago", now.Sub(a.Fast))
	}
	c.number, c.arm, c.armer = a.Number, a, c.agent
	c.interrupted, c.held, c.asked = false, false, false
	wasFired, wasFenced := c.fired, c.fenced
	c.fired = false
	c.cameBack()
	// One that is due at once fires next, and writes it after the kill.
	if now.Before(a.Kill) && (wasFired || c.fenced != wasFenced) {
		return []Effect{Accept{}, WriteLatch{c.latch()}}
	}
	return []Effect{Accept{}}
}

// cameBack forgets a fence once its server runs as a standby under a new grant,
// from where it can only be promoted.
func (c *Core) cameBack() {
	if c.arm.Grant != "" && c.server == Standby && c.ran == c.fenced {
		c.fenced = ""
	}
}

func (c *Core) disarm(e DisarmAsked) []Effect {
	switch {
	case e.Number <= c.number:
		return c.usedUp(e.Number)
	case c.killing:
		return refuse(RefusedKilling, "what ran under the last grant isn't gone yet")
	case c.launching && c.server == Writable, e.Server == Writable:
		return refuse(RefusedRunning, "a server runs that isn't a standby")
	case c.asked && e.Server != None:
		return refuse(RefusedRunning, "somebody asked for the promotion of the standby that was found running")
	}
	c.number, c.arm, c.held, c.interrupted, c.asked = e.Number, Arm{}, false, false, false
	if !c.launching {
		c.server = e.Server
	}
	return []Effect{Accept{}}
}

// hold suspends deadlines. A guard that fired goes on watching.
func (c *Core) hold(e HoldAsked) []Effect {
	if e.Number <= c.number {
		return c.usedUp(e.Number)
	}
	c.number, c.held = e.Number, true
	return []Effect{Accept{}}
}

func (c *Core) usedUp(n uint64) []Effect {
	return refuse(RefusedNumber, "number %d is used up, the highest so far is %d", n, c.number)
}

func refuse(r Reason, format string, args ...any) []Effect {
	return []Effect{Refuse{RefusedError{Reason: r, Detail: fmt.Sprintf(format, args...)}}}
}

// move writes the latch where the next guard will look. What another guard
// fired on in the meantime counts on: nothing that it forbade is allowed here.
func (c *Core) move(l Latch) []Effect {
	c.number = max(c.number, l.Number)
	for _, grant := range slices.Backward(l.Spent) {
		c.spent.add(grant)
	}
	if c.runs() == None && l.Fenced != "" {
		c.fenced = l.Fenced
	}
	if c.runs() == None && c.arm.Grant == "" && l.Fired {
		c.fired = true
	}
	return []Effect{WriteLatch{c.latch()}}
}

// latch is what must outlive the guard.
func (c *Core) latch() Latch {
	return Latch{Fired: c.fired, Number: c.number, Spent: c.spent.list(), Fenced: c.fenced}
}

// Spent holds the grants that were fired on last, the latest first. An agent
// that is as many fences behind holds none of the others any more.
type Spent [16]string

func (s *Spent) add(grant string) {
	if grant == "" || s.has(grant) {
		return
	}
	copy(s[1:], s[:])
	s[0] = grant
}

func (s *Spent) has(grant string) bool { return grant != "" && slices.Contains(s[:], grant) }
func (s *Spent) last() string          { return s[0] }
func (s *Spent) list() []string {
	return slices.DeleteFunc(slices.Clone(s[:]), func(g string) bool { return g == "" })
}
