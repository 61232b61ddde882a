package memory

import (
	"context"

	"github.com/regent-ha/regent/clock"
)

// Watch implements dcs.DCS. Its one goroutine ends with ctx.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	hints <- struct{}{} // what changed before the watch stood
	d.store.mu.Lock()
	changed, end := d.store.changed, d.store.nextEnd(d.prefix)
	d.store.mu.Unlock()
	go func() {
		defer close(hints)
		for d.store.wait(ctx, changed, end) {
			before := changed
			d.store.lock() // expires what is over
			changed, end = d.store.changed, d.store.nextEnd(d.prefix)
			d.store.mu.Unlock()
			if changed == before { // the grant that was to end here was extended
				continue
			}
			select {
			case hints <- struct{}{}:
			default: // merges with the hint that nobody took yet
			}
		}
	}()
	return hints
}

// wait returns false when ctx ended, true when something changed or, at end, a
// grant is over.
func (s *Store) wait(ctx context.Context, changed chan struct{}, end clock.Instant) bool {
	var over <-chan struct{}
	if !end.IsZero() {
		timer := s.clock.NewTimer(end)
		defer timer.Stop()
		over = timer.C()
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return true
	case <-over:
		return true
	}
}
