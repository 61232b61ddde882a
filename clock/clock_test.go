package clock

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSystemTimerFiresAtItsInstant(t *testing.T) {
	c := System()
	at := c.Now().Add(30 * time.Millisecond)
	timer := c.NewTimer(at)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-time.After(10 * time.Second):
		t.Fatal("the timer didn't fire")
	}
	if now := c.Now(); now.Before(at) {
		t.Errorf("fired %v early", at.Sub(now))
	}
}

func TestTimerOfThePastFiresAtOnce(t *testing.T) {
	for _, at := range []Instant{-5, 0, 1} {
		timer := System().NewTimer(at)
		select {
		case <-timer.C():
		case <-time.After(10 * time.Second):
			t.Fatalf("a timer for %d didn't fire", at)
		}
		timer.Stop()
	}
}

func TestStoppedTimerDoesNotFire(t *testing.T) {
	c := System()
	timer := c.NewTimer(c.Now().Add(20 * time.Millisecond))
	timer.Stop()
	timer.Stop()
	later := c.NewTimer(c.Now().Add(60 * time.Millisecond))
	defer later.Stop()
	<-later.C()
	select {
	case <-timer.C():
		t.Error("a stopped timer fired")
	default:
	}
}

func TestPollWithoutTimerDescriptor(t *testing.T) {
	s := system{}
	timer := &systemTimer{fired: make(chan struct{}), stopped: make(chan struct{})}
	at := s.Now().Add(20 * time.Millisecond)
	s.poll(at, timer)
	if s.Now().Before(at) {
		t.Error("fired early")
	}
	<-timer.C()
}

func TestWithDeadlineSaysWhy(t *testing.T) {
	c := System()
	ctx, cancel := WithTimeout(context.Background(), c, 10*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		t.Errorf("cause is %v", context.Cause(ctx))
	}
}

func TestEarliest(t *testing.T) {
	if got := Earliest(0, 7, 3, 0); got != 3 {
		t.Errorf("got %d", got)
	}
	if got := Earliest(); !got.IsZero() {
		t.Errorf("got %d", got)
	}
}

func TestBootIDIsStable(t *testing.T) {
	if a, b := BootID(), BootID(); a == "" || a != b {
		t.Errorf("boot ids %q and %q", a, b)
	}
}
