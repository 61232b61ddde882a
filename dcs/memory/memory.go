package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// DefaultTTL is how long grants last unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// Options of a handle. The zero value of all but Path is the default.
type Options struct {
	Path  dcs.Path
	Name  string // the member's; empty: the handle only observes
	TTL   time.Duration
	Clock clock.Clock // the member's own; by default the store's
	// Promise is what a grant lasts that is made under a TTL, as for dcs.DCS's
	// LeaseFor; nil: the TTL. Grants end after their TTL all the same.
	Promise func(ttl time.Duration) time.Duration
	// KeepMembers lets a member's entry stay for ever, as on stores whose entries
	// don't expire.
	KeepMembers bool
}

// DCS is one member's handle on one cluster.
type DCS struct {
	store  *Store
	prefix string
	name   string
	clock  clock.Clock
	lasts  func(time.Duration) time.Duration
	heard  dcs.Silence // of the watch
	keep   bool        // members' entries

	mu     sync.Mutex // before store.mu, never after it
	ttl    time.Duration
	member *grant
	closed bool
}

var _ dcs.DCS = (*DCS)(nil)

// Open returns a handle.
func (s *Store) Open(o Options) (*DCS, error) {
	if strings.Trim(o.Path.Scope, "/") == "" {
		return nil, errors.New("dcs/memory: Options.Path.Scope is empty: it must name the cluster")
	}
	d := &DCS{store: s, prefix: o.Path.Prefix(), name: o.Name, clock: o.Clock, ttl: o.TTL, lasts: o.Promise, keep: o.KeepMembers}
	if d.lasts == nil {
		d.lasts = func(ttl time.Duration) time.Duration { return ttl }
	}
	if d.clock == nil {
		d.clock = s.clock
	}
	if d.ttl <= 0 {
		d.ttl = DefaultTTL
	}
	return d, nil
}

var errClosed = errors.New("the handle is closed")

// enter checks what every call checks first. Member says that it takes a name.
func (d *DCS) enter(ctx context.Context, verb string, member bool) error {
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("dcs/memory: %s: %w", verb, ctx.Err())
	case closed:
		return fmt.Errorf("dcs/memory: %s: %w", verb, errClosed)
	case member && d.name == "":
		return fmt.Errorf("dcs/memory: %s: %w", verb, dcs.ErrObserver)
	}
	return nil
}

func (d *DCS) leaderPath() string { return d.prefix + string(dcs.LeaderKey) }

// holder is whom the leader key names; the caller has the store.
func (d *DCS) holder() *dcs.Holder {
	e := d.store.keys[d.leaderPath()]
	if e == nil {
		return nil
	}
	h := &dcs.Holder{Name: string(e.value), Lineage: strconv.FormatUint(e.created, 10)}
	if e.grant != nil {
		h.Grant = e.grant.id
	}
	return h
}

func (d *DCS) refused(verb string, err error) error {
	return fmt.Errorf("dcs/memory: %s: %w", verb, &dcs.RefusedError{Err: err, Holder: d.holder()})
}

// Read implements dcs.DCS.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	if err := d.enter(ctx, "read", false); err != nil {
		return dcs.Snapshot{}, err
	}
	snapshot := dcs.Snapshot{Sent: d.clock.Now(), Documents: map[dcs.Key]dcs.Document{}}
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	snapshot.Leader = d.holder()
	for path, e := range s.keys {
		key, ok := strings.CutPrefix(path, d.prefix)
		if ok && key != string(dcs.LeaderKey) {
			snapshot.Documents[dcs.Key(key)] = dcs.Document{Value: bytes.Clone(e.value), Version: e.version()}
		}
	}
	return snapshot, nil
}

// Touch implements dcs.DCS.
func (d *DCS) Touch(ctx context.Context, m dcs.Member) error {
	if err := d.enter(ctx, "touch", true); err != nil {
		return err
	}
	value, err := m.MarshalJSON()
	if err != nil {
		return fmt.Errorf("dcs/memory: touch: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	path := d.prefix + string(dcs.MemberKey(d.name))
	if d.keep {
		if e := s.keys[path]; e == nil || !bytes.Equal(e.value, value) {
			s.put(path, value, nil)
		}
		return nil
	}
	if d.member == nil || s.grants[d.member.id] != d.member || d.member.ttl != d.ttl {
		d.member = s.newGrant(d.ttl)
	} else {
		s.extend(d.member)
	}
	if e := s.keys[path]; e == nil || e.grant != d.member || !bytes.Equal(e.value, value) {
		s.put(path, value, d.member)
	}
	return nil
}

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	if err := d.enter(ctx, "put "+string(w.Key), false); err != nil {
		return dcs.Absent, err
	}
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	path := d.prefix + string(w.Key)
	if !s.meets(path, w.Prev) {
		return dcs.Absent, fmt.Errorf("dcs/memory: put %s: %w", w.Key, dcs.ErrConflict)
	}
	return s.write(path, w.Value), nil
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	_, err := d.Put(ctx, dcs.Write{Key: key, Prev: prev})
	return err
}

// RemoveCluster implements dcs.DCS.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	if err := d.enter(ctx, "remove the cluster", false); err != nil {
		return err
	}
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	for path := range s.keys {
		if strings.HasPrefix(path, d.prefix) {
			s.remove(path)
		}
	}
	return nil
}

// Quiet implements dcs.DCS.
func (d *DCS) Quiet() (from, until clock.Instant) {
	s := d.store
	s.lock() // ends what is over, of which watches hear
	defer s.mu.Unlock()
	d.heard.Proven(d.clock.Now())
	return d.heard.Quiet()
}

// SetTTL implements dcs.DCS.
func (d *DCS) SetTTL(ttl time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ttl > 0 {
		d.ttl = ttl
	}
}

// LeaseFor implements dcs.DCS.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration { return d.lasts(ttl) }

// Close implements dcs.DCS.
func (d *DCS) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}
