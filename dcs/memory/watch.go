package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/regent-ha/regent/clock"
)

// watch is one Watch under way.
type watch struct {
	handle *DCS
	prefix string
	dirty  chan struct{} // holds one: something below prefix changed
}

// signal tells those who watch a path that it changed.
func (s *Store) signal(path string) {
	for _, w := range s.watches {
		if strings.HasPrefix(path, w.prefix) {
			w.handle.heard.News(w.handle.clock.Now())
			hint(w.dirty)
		}
	}
}

// hint merges with one that nobody took yet.
func hint(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Watch implements dcs.DCS. Its one goroutine ends with ctx.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	s, hints := d.store, make(chan struct{}, 1)
	hint(hints) // for what changed before the watch stood
	w := &watch{handle: d, prefix: d.prefix, dirty: make(chan struct{}, 1)}
	s.lock()
	s.watches = append(s.watches, w)
	d.heard.News(d.clock.Now())
	end := s.nextEnd(w.prefix)
	s.mu.Unlock()
	go func() {
		defer close(hints)
		for s.wait(ctx, w, end) {
			s.lock() // ends what is over, of which w.dirty hears
			end = s.nextEnd(w.prefix)
			s.mu.Unlock()
			select {
			case <-w.dirty:
				hint(hints)
			default: // the grant that was to end was extended
			}
		}
		s.mu.Lock()
		s.watches = slices.DeleteFunc(s.watches, func(other *watch) bool { return other == w })
		d.heard.Broken()
		s.mu.Unlock()
	}()
	return hints
}

// wait returns true when something changed or, at end, a grant may be over; false
// when ctx ended.
func (s *Store) wait(ctx context.Context, w *watch, end clock.Instant) bool {
	var over <-chan struct{}
	if !end.IsZero() {
		timer := s.clock.NewTimer(end)
		defer timer.Stop()
		over = timer.C()
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.dirty:
		hint(w.dirty) // still to be looked at
		return true
	case <-over:
		return true
	}
}
