package dcs

import (
	"sync"

	"github.com/regent-ha/regent/clock"
)

// Silence is what a watch has proven, for backends to answer Quiet from. The zero
// value has proven nothing.
type Silence struct {
	mu          sync.Mutex
	from, until clock.Instant
}

// Broken says that the watch doesn't stand: nothing is proven from here on.
func (s *Silence) Broken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.until = 0, 0
}

// News says that the watch stands since now, or told of a change at now.
func (s *Silence) News(now clock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.until = now, now
}

// Proven says that the watch has told of everything up to at, as a sign of life
// that was asked for at that instant shows. It counts for nothing if the watch
// doesn't stand.
func (s *Silence) Proven(at clock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.from.IsZero() && at.After(s.until) {
		s.until = at
	}
}

// Quiet is DCS.Quiet.
func (s *Silence) Quiet() (from, until clock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from, s.until
}
