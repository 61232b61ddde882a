package memory

import (
	"context"
	"fmt"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// AttemptToAcquireLeader implements dcs.DCS.
func (d *DCS) AttemptToAcquireLeader(ctx context.Context) (dcs.Lease, error) {
	const verb = "acquire the leader key"
	if err := d.enter(ctx, verb, true); err != nil {
		return dcs.Lease{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	since := d.clock.Now()
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	if s.keys[d.leaderPath()] != nil {
		return dcs.Lease{}, d.refused(verb, dcs.ErrHeld)
	}
	g := s.newGrant(d.ttl)
	s.put(d.leaderPath(), []byte(d.name), g)
	return d.lease(g, since), nil
}

// UpdateLeader implements dcs.DCS.
func (d *DCS) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	const verb = "renew the leader key"
	if err := d.enter(ctx, verb, true); err != nil {
		return dcs.Lease{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	since := d.clock.Now()
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	g := d.held(l.ID)
	if g == nil {
		return dcs.Lease{}, d.refused(verb, dcs.ErrLost)
	}
	if g.ttl == d.ttl {
		s.extend(g)
	} else {
		g = d.move(g)
	}
	return d.lease(g, since), d.writeAll(verb, docs)
}

// held is the grant of that id if it holds the leader key in our name. The
// caller has the store.
func (d *DCS) held(id string) *grant {
	e := d.store.keys[d.leaderPath()]
	if e == nil || e.grant == nil || e.grant.id != id || string(e.value) != d.name {
		return nil
	}
	return e.grant
}

// move puts the key under a new grant with the TTL that holds now.
func (d *DCS) move(old *grant) *grant {
	g := d.store.newGrant(d.ttl)
	d.store.put(d.leaderPath(), []byte(d.name), g)
	d.store.end(old.id)
	return g
}

// writeAll writes all documents or none.
func (d *DCS) writeAll(verb string, docs []dcs.Write) error {
	for _, w := range docs {
		if !d.store.meets(d.prefix+string(w.Key), w.Prev) {
			return fmt.Errorf("dcs/memory: %s: write %s: %w", verb, w.Key, dcs.ErrConflict)
		}
	}
	for _, w := range docs {
		d.store.write(d.prefix+string(w.Key), w.Value)
	}
	return nil
}

// ReleaseLeader implements dcs.DCS.
func (d *DCS) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	const verb = "release the leader key"
	if err := d.enter(ctx, verb, true); err != nil {
		return err
	}
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	g := d.held(l.ID)
	if g == nil {
		return d.refused(verb, dcs.ErrLost)
	}
	err := d.writeAll(verb, docs)
	s.end(g.id)
	return err
}

// ResumeLeader implements dcs.DCS.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.enter(ctx, verb, true); err != nil {
		return dcs.Lease{}, err
	}
	since := d.clock.Now()
	s := d.store
	s.lock()
	defer s.mu.Unlock()
	g := d.held(id)
	if g == nil {
		return dcs.Lease{}, d.refused(verb, dcs.ErrLost)
	}
	s.extend(g)
	return d.lease(g, since), nil
}

func (d *DCS) lease(g *grant, since clock.Instant) dcs.Lease {
	return dcs.Lease{ID: g.id, Since: since, For: d.lasts(g.ttl)}
}
