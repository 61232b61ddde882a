package postgrestest

import (
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// GoTime is a clock on Go's own time: virtual inside a bubble (testing/synctest),
// the process's monotonic time outside.
func GoTime() clock.Clock { return goTime{start: time.Now()} }

type goTime struct{ start time.Time }

// Now begins at an hour: zero means never.
func (g goTime) Now() clock.Instant { return clock.Instant(time.Hour + time.Since(g.start)) }

func (g goTime) NewTimer(at clock.Instant) clock.Timer {
	t := &goTimer{fired: make(chan struct{})}
	t.timer = time.AfterFunc(at.Sub(g.Now()), func() { t.once.Do(func() { close(t.fired) }) })
	return t
}

type goTimer struct {
	timer *time.Timer
	once  sync.Once
	fired chan struct{}
}

func (t *goTimer) C() <-chan struct{} { return t.fired }
func (t *goTimer) Stop()              { t.timer.Stop() }
