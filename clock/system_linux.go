package clock

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// System is the machine's CLOCK_BOOTTIME (clock_gettime(2)).
func System() Clock { return system{} }

type system struct{}

func (system) Now() Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock: CLOCK_BOOTTIME can't be read: " + err.Error())
	}
	return Instant(ts.Nano())
}

// NewTimer waits on a timerfd: Go's own timers stand still while the machine is
// suspended. Without a free descriptor it falls back to a Go timer that looks
// at the clock each time it wakes, at least once a second.
func (s system) NewTimer(at Instant) Timer {
	t := &systemTimer{fired: make(chan struct{}), stopped: make(chan struct{})}
	if file := openTimer(at); file != nil {
		go func() {
			buf := make([]byte, 8)
			if _, err := file.Read(buf); err == nil {
				close(t.fired)
			}
			file.Close()
		}()
		t.stop = func() { file.SetReadDeadline(time.Unix(1, 0)) }
		return t
	}
	go s.poll(at, t)
	return t
}

func openTimer(at Instant) *os.File {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	if at <= 0 {
		at = 1 // zero would disarm the timer
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "timerfd")
}

func (s system) poll(at Instant, t *systemTimer) {
	for {
		left := at.Sub(s.Now())
		if left <= 0 {
			close(t.fired)
			return
		}
		select {
		case <-time.After(min(left, time.Second)):
		case <-t.stopped:
			return
		}
	}
}

type systemTimer struct {
	fired   chan struct{}
	stopped chan struct{}
	once    sync.Once
	stop    func()
}

func (t *systemTimer) C() <-chan struct{} { return t.fired }

func (t *systemTimer) Stop() {
	t.once.Do(func() {
		close(t.stopped)
		if t.stop != nil {
			t.stop()
		}
	})
}

// BootID names this boot of the machine; instants that were written down are
// valid only beside the same one. It is empty where the kernel doesn't tell.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
