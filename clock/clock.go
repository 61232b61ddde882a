// Package clock has the instants that leases are counted in.
//
// An Instant lies on one machine's boot-time clock, which goes on while the
// machine is suspended and never jumps. It means nothing on another machine and
// nothing after a reboot: whoever writes one down writes the boot id beside it
// (see BootID). Wall-clock time is for people and for the formats on the wire;
// nothing that keeps two primaries apart depends on it.
//
// Everything that decides gets its Clock injected, so that it runs unchanged in
// virtual time.
package clock

import (
	"context"
	"time"
)

// Instant is a moment on a boot-time clock, in nanoseconds. The zero Instant
// means "never happened".
type Instant int64

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Before says whether i is earlier than j.
func (i Instant) Before(j Instant) bool { return i < j }

// After says whether i is later than j.
func (i Instant) After(j Instant) bool { return i > j }

// IsZero says whether i never happened.
func (i Instant) IsZero() bool { return i == 0 }

// Earliest returns the earliest of the instants that happened, or zero.
func Earliest(instants ...Instant) Instant {
	var earliest Instant
	for _, i := range instants {
		if !i.IsZero() && (earliest.IsZero() || i < earliest) {
			earliest = i
		}
	}
	return earliest
}

// Clock tells instants and wakes at them.
type Clock interface {
	// Now is the present instant.
	Now() Instant
	// NewTimer returns a timer that fires once Now has reached at, also when
	// the machine was suspended in between.
	NewTimer(at Instant) Timer
}

// Timer fires once.
type Timer interface {
	// C is closed when the timer fires.
	C() <-chan struct{}
	// Stop releases the timer. It may be called more than once.
	Stop()
}

// WithDeadline is context.WithDeadline on a Clock. What Go's own timers say of a
// context it doesn't have: no Deadline, and Err is context.Canceled also when the
// time is over; context.Cause is context.DeadlineExceeded then.
func WithDeadline(parent context.Context, c Clock, at Instant) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if _, ok := c.(system); ok {
		stop := at.after(func() { cancel(context.DeadlineExceeded) })
		return ctx, func() {
			stop()
			cancel(context.Canceled)
		}
	}
	timer := c.NewTimer(at)
	go func() {
		defer timer.Stop()
		select {
		case <-timer.C():
			cancel(context.DeadlineExceeded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// atMost is how long a machine may have been awake again before the deadline of a
// context that ended in its sleep is noticed.
const atMost = time.Second

// after calls f at i on the machine's clock. It is for the many deadlines that
// nearly never come: a Go timer costs no system call, and looks at the clock when
// it fires, since it stands still in suspend.
func (i Instant) after(f func()) (stop func()) {
	var t *time.Timer
	left := func() time.Duration { return i.Sub(System().Now()) }
	t = time.AfterFunc(time.Hour, func() {
		if d := left(); d > 0 {
			t.Reset(min(d, atMost))
			return
		}
		f()
	})
	t.Reset(min(max(left(), 0), atMost))
	return func() { t.Stop() }
}

// WithTimeout is context.WithTimeout on a Clock.
func WithTimeout(parent context.Context, c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	return WithDeadline(parent, c, c.Now().Add(d))
}
