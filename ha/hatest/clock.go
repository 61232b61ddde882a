package hatest

import (
	"runtime"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// hostClock is a host's boot-time clock: it starts anew with each boot, and runs
// faster or slower than true time. Its timers wake the process that runs there.
type hostClock struct {
	world *world
	node  int
	drift int64           // parts per million
	boot  clock.Instant   // true time of the boot
	owner func() *process // whom a new timer wakes; nil: nobody that could be frozen
}

// uptime is what every clock shows at its boot: far from zero, which means never.
const uptime = clock.Instant(time.Minute)

func (c *hostClock) Now() clock.Instant { return c.of(c.world.time()) }

// of is what the clock shows at a true time.
func (c *hostClock) of(t clock.Instant) clock.Instant {
	d := int64(t - c.boot)
	return uptime + clock.Instant(d+d/1000*c.drift/1000)
}

// when is the first true time at which the clock shows at.
func (c *hostClock) when(at clock.Instant) clock.Instant {
	d := int64(at - uptime)
	if d > int64(1000*time.Hour) {
		return never
	}
	t := c.boot + clock.Instant(d-d/1000*c.drift/1000)
	for c.of(t) < at {
		t += max((at-c.of(t))/2, 1)
	}
	return t
}

type timer struct {
	fired chan struct{}
	mu    sync.Mutex
	over  bool // fired or stopped
}

func (t *timer) C() <-chan struct{} { return t.fired }

func (t *timer) Stop() { t.end() }

// end is false if it had ended already.
func (t *timer) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.over
	t.over = true
	return !was
}

func (t *timer) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

// NewTimer implements clock.Clock.
func (c *hostClock) NewTimer(at clock.Instant) clock.Timer {
	t := &timer{fired: make(chan struct{})}
	if !c.Now().Before(at) {
		t.over = true
		close(t.fired)
		return t
	}
	var owner *process
	if c.owner != nil {
		owner = c.owner()
	}
	fire := func() {
		if t.end() {
			close(t.fired)
		}
	}
	c.world.arrive(arrival{node: c.node, kind: "timer", at: at, site: site(), admit: func() {
		if t.ended() {
			return
		}
		c.world.at(c.when(at), "", func() {
			if !t.ended() {
				if owner != nil {
					c.world.trace.add(c.world.time(), owner.node.name+" timer")
				}
				owner.deliver(fire)
			}
		})
	}})
	return t
}

// site tells timers apart that were made for the same instant.
func site() uintptr {
	var pcs [3]uintptr
	n := runtime.Callers(4, pcs[:])
	var sum uintptr
	for _, pc := range pcs[:n] {
		sum = sum*31 + pc
	}
	return sum
}
