package dcs

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Timing is how a cluster spends a lease: the settings ttl, loop_wait and
// retry_timeout.
type Timing struct {
	TTL          time.Duration
	LoopWait     time.Duration
	RetryTimeout time.Duration
}

// Plan is every instant that follows from one renewal, in the order in which
// they come. Nothing else in the module computes one of them.
type Plan struct {
	Renew    clock.Instant // the next renewal is due
	GiveUp   clock.Instant // renewing has failed: pledges are asked for, or the agent demotes
	Failsafe clock.Instant // the last moment at which pledges count
	Timer    clock.Instant // the agent's lease timer ends clients and demotes
	Fast     clock.Instant // the guard asks PostgreSQL to stop
	Kill     clock.Instant // the guard leaves no process behind
	End      clock.Instant // the store may give the key away, less the drift of clocks
}

// What the instants keep from one another, as parts of what the store granted.
const (
	maxDrift    = 100 // two clocks' rates differ by one part in this at most
	killParts   = 40  // from the kill to the end
	stepParts   = 12  // between failsafe, timer, fast and kill
	minKill     = 400 * time.Millisecond
	maxKill     = 500 * time.Millisecond
	minStep     = 400 * time.Millisecond
	maxStep     = 2 * time.Second
	minRenewing = 500 * time.Millisecond
	leastRenew  = 3 // of the time before failsafe, one part passes before the next renewal if loop_wait is longer
)

// Plan lays out the lease l. What the store granted counts, not what was asked
// for, and not what TTL says now.
func (t Timing) Plan(l Lease) Plan { return t.PlanFor(l.Since, l.For) }

// PlanFor lays out a right to lead that counts from since and lasts d: a lease,
// or the pledges of all members.
func (t Timing) PlanFor(since clock.Instant, d time.Duration) Plan {
	end := d - d/maxDrift
	kill := end - min(max(d/killParts, minKill), maxKill)
	step := min(max(d/stepParts, minStep), maxStep)
	fast := kill - step
	timer := fast - step
	failsafe := timer - step
	// A lease may be a part of ttl only: then retrying gets less than retry_timeout.
	renew := min(t.LoopWait, max(failsafe-t.RetryTimeout, failsafe/leastRenew))
	return Plan{
		Renew:    since.Add(renew),
		GiveUp:   since.Add(min(renew+t.RetryTimeout, failsafe)),
		Failsafe: since.Add(failsafe),
		Timer:    since.Add(timer),
		Fast:     since.Add(fast),
		Kill:     since.Add(kill),
		End:      since.Add(end),
	}
}

// RenewEvery is how long after a renewal the next one of a lease is due: loop_wait,
// or earlier where the lease and retry_timeout leave less room.
func (t Timing) RenewEvery(l Lease) time.Duration {
	return t.PlanFor(0, l.For).Renew.Sub(0)
}

// RequestTimeout bounds one request to the store, so that two fit into
// retry_timeout.
func (t Timing) RequestTimeout() time.Duration {
	return max(t.RetryTimeout/2, 100*time.Millisecond)
}

// Check says which number must change if the instants of a lease of TTL can't be
// put in order.
func (t Timing) Check() error {
	if t.TTL <= 0 || t.LoopWait <= 0 || t.RetryTimeout <= 0 {
		return fmt.Errorf("ttl (%v), loop_wait (%v) and retry_timeout (%v) must be more than 0", t.TTL, t.LoopWait, t.RetryTimeout)
	}
	longest := t.PlanFor(0, t.TTL).Failsafe.Sub(0) - minRenewing
	if t.RetryTimeout > longest {
		return fmt.Errorf("retry_timeout (%v) is too long for ttl (%v): at most %v leaves time to stop PostgreSQL before the lease ends",
			t.RetryTimeout, t.TTL, longest.Truncate(100*time.Millisecond))
	}
	return nil
}
