package memory_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
)

// manual is a clock that stands still unless it is told.
type manual struct {
	mu     sync.Mutex
	now    clock.Instant
	timers []*manualTimer
}

type manualTimer struct {
	at    clock.Instant
	fired chan struct{}
	once  sync.Once
}

func (t *manualTimer) C() <-chan struct{} { return t.fired }
func (t *manualTimer) Stop()              {}

func (m *manual) Now() clock.Instant {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manual) NewTimer(at clock.Instant) clock.Timer {
	t := &manualTimer{at: at, fired: make(chan struct{})}
	m.mu.Lock()
	m.timers = append(m.timers, t)
	m.mu.Unlock()
	m.advance(0)
	return t
}

func (m *manual) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	for _, t := range m.timers {
		if !m.now.Before(t.at) {
			t.once.Do(func() { close(t.fired) })
		}
	}
}

func TestGrantsEndByTheStoresClock(t *testing.T) {
	server, fast := &manual{now: 1000}, &manual{now: 5}
	store := memory.NewStore(server)
	ctx := context.Background()
	open := func(name string, c clock.Clock) *memory.DCS {
		d, err := store.Open(memory.Options{Path: dcs.Path{Scope: "demo"}, Name: name, TTL: 10 * time.Second, Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := open("a", fast), open("b", nil)
	l, err := a.AttemptToAcquireLeader(ctx)
	if err != nil || l.Since != 5 || l.For != 10*time.Second {
		t.Fatalf("got %+v, %v", l, err)
	}
	server.advance(10*time.Second - 1)
	fast.advance(time.Hour)
	if l, err = a.UpdateLeader(ctx, l); err != nil || l.Since != fast.Now() {
		t.Fatalf("a nanosecond before the end: %+v, %v", l, err)
	}
	server.advance(10*time.Second - 1)
	if s, _ := b.Read(ctx); s.Leader == nil || s.Sent != server.Now() {
		t.Errorf("a nanosecond before the end: %+v", s)
	}
	server.advance(1)
	if _, err := a.UpdateLeader(ctx, l); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := b.AttemptToAcquireLeader(ctx); err != nil {
		t.Error(err)
	}
}

func TestWatchWakesAtTheEndOfAGrantAndNotBefore(t *testing.T) {
	server := &manual{now: 1}
	store := memory.NewStore(server)
	ctx, cancel := context.WithCancel(context.Background())
	d, err := store.Open(memory.Options{Path: dcs.Path{Scope: "demo"}, Name: "a", TTL: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hints := d.Watch(ctx)
	<-hints // it stands
	server.advance(5 * time.Second)
	if _, err = d.UpdateLeader(ctx, l); err != nil {
		t.Fatal(err)
	}
	server.advance(5 * time.Second) // the end as it was before the renewal
	select {
	case <-hints:
		t.Error("a hint although nothing changed")
	case <-time.After(50 * time.Millisecond):
	}
	server.advance(5 * time.Second)
	<-hints
	if s, err := d.Read(ctx); err != nil || s.Leader != nil {
		t.Errorf("after the hint: %+v, %v", s, err)
	}
	cancel()
	for range hints {
	}
}

func TestOpenWithoutScope(t *testing.T) {
	if _, err := memory.NewStore(nil).Open(memory.Options{}); err == nil {
		t.Error("opened without a scope")
	}
}
