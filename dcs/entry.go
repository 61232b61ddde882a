package dcs

import (
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Entry is what a handle knows of its own member's entry in the store, for backends
// whose Touch needn't look at one that stands as it should while a watch proves that
// nothing has changed. The zero value knows nothing.
type Entry struct {
	mu    sync.Mutex
	sent  clock.Instant // of the request that is behind what follows
	known bool
	value string
	grant string
}

// Saw says that the entry had this value and hung on this grant, as the answer to a
// request shows that was sent at sent. What an earlier request showed doesn't count
// any more; of an absent entry both are empty.
func (e *Entry) Saw(sent clock.Instant, value, grant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !sent.Before(e.sent) {
		e.sent, e.known, e.value, e.grant = sent, true, value, grant
	}
}

// Writing says that the entry may become another from now on, sent being now.
func (e *Entry) Writing(sent clock.Instant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent, e.known = max(e.sent, sent), false
}

// Differs says whether the entry was another when it was last seen.
func (e *Entry) Differs(value, grant string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known && (e.value != value || e.grant != grant)
}

// Stands says whether the entry was as given when it was last seen, and the watch
// behind s has proven that it still was so not longer than lag before now.
func (e *Entry) Stands(value, grant string, s *Silence, now clock.Instant, lag time.Duration) bool {
	from, until := s.Quiet()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known && e.value == value && e.grant == grant &&
		!from.IsZero() && !e.sent.Before(from) && now.Before(until.Add(lag))
}
