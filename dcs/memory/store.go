package memory

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Store holds any number of clusters. All methods may be called at the same
// time from several goroutines.
type Store struct {
	clock clock.Clock

	mu       sync.Mutex
	revision uint64
	grants   map[string]*grant
	keys     map[string]*entry // by path
	watches  []*watch
}

// grant is the right to keep the keys that are attached to it.
type grant struct {
	id  string
	ttl time.Duration
	end clock.Instant
}

type entry struct {
	value    []byte
	grant    *grant // nil: it stays
	created  uint64
	modified uint64
}

// NewStore makes an empty store. Its clock is the machine's if c is nil.
func NewStore(c clock.Clock) *Store {
	if c == nil {
		c = clock.System()
	}
	return &Store{clock: c, grants: map[string]*grant{}, keys: map[string]*entry{}}
}

// lock takes the store with everything expired that is over. The caller unlocks mu.
func (s *Store) lock() {
	s.mu.Lock()
	now := s.clock.Now()
	for id, g := range s.grants {
		if !now.Before(g.end) {
			s.end(id)
		}
	}
}

// newGrant starts a grant at this instant.
func (s *Store) newGrant(ttl time.Duration) *grant {
	s.revision++
	g := &grant{id: strconv.FormatUint(s.revision, 16), ttl: ttl, end: s.clock.Now().Add(ttl)}
	s.grants[g.id] = g
	return g
}

// extend starts a living grant's TTL anew.
func (s *Store) extend(g *grant) { g.end = s.clock.Now().Add(g.ttl) }

// end ends a grant and removes the keys attached to it.
func (s *Store) end(id string) {
	g := s.grants[id]
	delete(s.grants, id)
	for path, e := range s.keys {
		if e.grant == g {
			s.remove(path)
		}
	}
}

// put writes a key, unconditionally.
func (s *Store) put(path string, value []byte, g *grant) *entry {
	s.revision++
	e := s.keys[path]
	if e == nil {
		e = &entry{created: s.revision}
		s.keys[path] = e
	}
	e.value, e.grant, e.modified = append([]byte{}, value...), g, s.revision
	s.signal(path)
	return e
}

// remove deletes a key if it is there.
func (s *Store) remove(path string) {
	if s.keys[path] != nil {
		s.revision++
		delete(s.keys, path)
		s.signal(path)
	}
}

// meets says whether the key at path is as a write expects it.
func (s *Store) meets(path string, prev dcs.Version) bool {
	e := s.keys[path]
	switch prev {
	case dcs.Any:
		return true
	case dcs.Absent:
		return e == nil
	}
	return e != nil && e.version() == prev
}

// write applies one write whose condition holds.
func (s *Store) write(path string, value []byte) dcs.Version {
	if value == nil {
		s.remove(path)
		return dcs.Absent
	}
	return s.put(path, value, nil).version()
}

func (e *entry) version() dcs.Version { return dcs.Version(strconv.FormatUint(e.modified, 10)) }

// nextEnd is when the first grant ends that holds a key below prefix.
func (s *Store) nextEnd(prefix string) clock.Instant {
	var first clock.Instant
	for path, e := range s.keys {
		if e.grant != nil && strings.HasPrefix(path, prefix) {
			first = clock.Earliest(first, e.grant.end)
		}
	}
	return first
}
