package consul

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// AttemptToAcquireLeader implements dcs.DCS.
func (d *DCS) AttemptToAcquireLeader(ctx context.Context) (dcs.Lease, error) {
	const verb = "acquire the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	if err := d.acquiring.Take(ctx); err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	defer d.acquiring.Give()
	g, err := d.acquire(ctx)
	d.delayed.Store(errors.Is(err, errDelayed))
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

// acquire first looks at the key: a refusal costs no write then, and the servers'
// leader has caught up with every lock delay that it must enforce.
func (d *DCS) acquire(ctx context.Context) (grant, error) {
	const tries = 3 // the key can change between two requests, but not again and again
	for range tries {
		kv, err := d.get(ctx, d.leader)
		switch {
		case err != nil:
			return grant{}, err
		case d.candidate != nil && d.heldBy(kv, d.candidate.id): // an earlier attempt's work
			won, err := d.renew(ctx, *d.candidate, nil)
			if errors.Is(err, dcs.ErrLost) {
				d.candidate = nil
				continue
			}
			if err == nil {
				d.candidate = nil
			}
			return won, err
		case holder(kv) != nil:
			d.dropCandidate(ctx)
			return grant{}, refused(dcs.ErrHeld, kv)
		}
		if err := d.prepare(ctx); err != nil {
			return grant{}, err
		}
		won, err := d.lock(ctx, *d.candidate, kv)
		switch {
		case errors.Is(err, errSessionGone):
			d.candidate = nil
		case errors.Is(err, errChanged):
		case err != nil: // unknown, or a lock delay: the next attempt goes on with the session
			return grant{}, err
		default:
			d.candidate = nil
			d.setHeld(won)
			return won, nil
		}
	}
	return grant{}, fmt.Errorf("%w, %d times in a row", errChanged, tries)
}

// prepare sees to a living session: the one of an attempt whose outcome isn't
// known if there is one, since its request may still be under way.
func (d *DCS) prepare(ctx context.Context) error {
	if d.candidate != nil {
		g, err := d.extend(ctx, *d.candidate)
		if err == nil {
			d.candidate = &g
		}
		if !errors.Is(err, errSessionGone) {
			return err
		}
		d.candidate = nil
	}
	g, err := d.newGrant(ctx, "leader", d.options.LockDelay)
	if err != nil {
		return err
	}
	d.candidate = &g
	return nil
}

var (
	errChanged = errors.New("the leader key or the session went between two requests")
	errDelayed = errors.New("the session before ended by itself, and Consul keeps the key from everybody for its lock delay")
)

// lock creates the leader key under the session. A key that has lost its session
// is made anew, so that its lineage is another.
func (d *DCS) lock(ctx context.Context, g grant, kv *api.KVPair) (grant, error) {
	t := newTransaction()
	if kv == nil {
		t.add(api.KVTxnOp{Verb: api.KVCheckNotExists, Key: d.leader})
	} else {
		t.add(api.KVTxnOp{Verb: api.KVCheckIndex, Key: d.leader, Index: kv.ModifyIndex})
		t.add(api.KVTxnOp{Verb: api.KVDelete, Key: d.leader})
	}
	t.add(api.KVTxnOp{Verb: api.KVLock, Key: d.leader, Value: []byte(d.name), Session: g.id})
	sent := d.clock.Now()
	a, err := d.commit(ctx, t)
	switch {
	case err != nil:
		return grant{}, err
	case a.done:
		g.known, g.confirmed = true, sent
		return g, nil
	case a.failed(0) != "": // somebody else was faster, or our own earlier try
		return grant{}, errChanged
	case a.says(inLockDelay):
		return grant{}, fmt.Errorf("%w: %w", refused(dcs.ErrHeld, nil), errDelayed)
	case a.says(invalidSession):
		return grant{}, errSessionGone
	}
	return grant{}, a.unexpected()
}

// dropCandidate ends a session that the key was refused to.
func (d *DCS) dropCandidate(ctx context.Context) {
	if d.candidate != nil {
		d.destroy(ctx, d.candidate.id)
		d.candidate = nil
	}
}

func (d *DCS) setHeld(g grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = g
}
