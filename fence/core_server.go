package fence

import "github.com/regent-ha/regent/clock"

// What a Core makes of the server: whether one may start, and what becomes of
// one that runs.

func (c *Core) launch(now clock.Instant, e LaunchAsked) []Effect {
	switch {
	case c.ending:
		return refuse(RefusedEnding, "the guard was told to end")
	case c.killing:
		return refuse(RefusedKilling, "what ran before isn't gone yet")
	case c.launching:
		return refuse(RefusedRunning, "another start is under way")
	case e.Server != None:
		return refuse(RefusedRunning, "a server runs already")
	}
	var notAfter clock.Instant
	c.server = Standby
	if e.Writable {
		if no := c.forbids(now, e); no != nil {
			c.server = None
			return no
		}
		c.server, notAfter = Writable, min(e.Permit.NotAfter, c.arm.Fast)
	}
	c.foundEnded()
	c.launching, c.ran = true, e.Data
	return []Effect{Accept{}, Fork{NotAfter: notAfter}}
}

// forbids says why a writable start may not be.
func (c *Core) forbids(now clock.Instant, e LaunchAsked) []Effect {
	switch {
	case c.arm.Grant == "" || c.held:
		return refuse(RefusedLatched, "not armed: only a standby may start, with standby.signal in place")
	case e.Permit.Number != c.arm.Number:
		return refuse(RefusedNumber, "the permit rests on arm %d, in force is %d", e.Permit.Number, c.arm.Number)
	case !now.Before(e.Permit.NotAfter):
		return refuse(RefusedLate, "the permit ended %v ago", now.Sub(e.Permit.NotAfter))
	case c.interrupted:
		return refuse(RefusedLate, "the arm's fast shutdown has begun")
	case c.fenced != "" && c.fenced == e.Data:
		return refuse(RefusedFenced, "this data directory was fenced: it comes back as a standby that is promoted, never in place")
	}
	return nil
}

func (c *Core) launched(now clock.Instant, e Event) []Effect {
	if !c.launching {
		return nil
	}
	c.launching, c.changed = false, now
	if _, failed := e.(ForkFailed); failed {
		c.server = None
	}
	// A kill that was ordered in between may have looked before there was a
	// process to be seen, and wasn't believed when it said that it was done.
	if c.killing {
		return []Effect{Kill{}}
	}
	return nil
}

func (c *Core) look(s Server) []Effect {
	if c.launching {
		return nil
	}
	if c.server = s; s == None {
		c.foundEnded()
	}
	if s == Writable && c.Watching() && !c.killing {
		return c.fire()
	}
	return nil
}

// promoting doesn't wait for the server to be seen writable: by then it may have
// taken a write.
func (c *Core) promoting() []Effect {
	if c.Watching() && !c.killing && (c.launching || c.runs() != None) {
		return c.fire()
	}
	// It goes on until the deadline, and isn't let off as a standby.
	c.asked = c.asked || c.found()
	return nil
}

func (c *Core) killed(now clock.Instant) []Effect {
	if !c.killing || c.launching {
		return nil
	}
	c.killing, c.server, c.changed = false, None, now
	return []Effect{WriteStandbySignal{}}
}
