//go:build !linux

package clock

import (
	"sync"
	"time"
)

// System counts from the start of the process, on a clock that stands still in
// suspend on some systems: only Linux has the fence that makes up for it.
func System() Clock { return system{} }

var start = time.Now().Add(-time.Hour)

type system struct{}

func (system) Now() Instant { return Instant(time.Since(start)) }

func (s system) NewTimer(at Instant) Timer {
	t := &systemTimer{fired: make(chan struct{})}
	t.timer = time.AfterFunc(at.Sub(s.Now()), func() { t.once.Do(func() { close(t.fired) }) })
	return t
}

type systemTimer struct {
	fired chan struct{}
	timer *time.Timer
	once  sync.Once
}

func (t *systemTimer) C() <-chan struct{} { return t.fired }
func (t *systemTimer) Stop()              { t.timer.Stop() }

// BootID is empty: no instant survives the process here.
func BootID() string { return "" }
