package kubernetes

import (
	"context"
	"errors"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// candidate is a record that was sent to take the leader key and doesn't hold it
// as far as we know.
type candidate struct {
	record
	at   string // resourceVersion of the leader object that it can succeed
	sent clock.Instant
}

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
	l, err := d.acquire(ctx)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return l, nil
}

func (d *DCS) acquire(ctx context.Context) (dcs.Lease, error) {
	subsets, err := d.subsets(ctx)
	if err != nil {
		return dcs.Lease{}, err
	}
	o, err := d.look(ctx, d.resource(), d.names.leader)
	if err != nil {
		return dcs.Lease{}, err
	}
	if !o.exists() {
		// From here on a missing leader object is an absent key.
		if err := d.ensure(ctx, d.names.config); err != nil {
			return dcs.Lease{}, err
		}
	}
	w, err := d.modify(ctx, d.names.leader, o, func(o *object) (*patch, error) {
		next, err := d.succession(o)
		if err != nil {
			return nil, err
		}
		return &patch{annotations: next.annotate(), subsets: subsets}, nil
	})
	if err != nil {
		if errors.Is(err, dcs.ErrHeld) {
			d.candidate = nil // whatever is still under way finds another version
		}
		return dcs.Lease{}, err
	}
	d.wrote(w)
	won := recordOf(w.object)
	if err := d.claim(ctx, won.grant()); err != nil {
		if !d.transient(err) && ctx.Err() == nil {
			d.giveUp(ctx, won.grant())
		}
		return dcs.Lease{}, err // else the next attempt finds the key under this grant
	}
	d.candidate = nil
	d.setHeld(won.grant())
	return d.lease(w), nil
}

// lease is what our write of the record gives us.
func (d *DCS) lease(w written) dcs.Lease {
	r := recordOf(w.object)
	return dcs.Lease{ID: r.grant(), Since: w.sent, For: r.lasts(0)}
}

// succession is the record to write over what the leader object has, or the
// refusal. A record that is our candidate already, by an attempt whose answer
// didn't come, is extended.
func (d *DCS) succession(o *object) (record, error) {
	now := d.clock.Now()
	r, held := d.observe(o, now)
	c := d.candidate
	if c != nil && r.Leader == d.name && r.grant() == c.grant() {
		if now.Before(c.sent.Add(c.lasts(0))) {
			c.sent = now
			c.record = r.renew(d.wantedTTL(), time.Now())
			return c.record, nil
		}
		held = false
	}
	if held {
		return record{}, &dcs.RefusedError{Err: dcs.ErrHeld, Holder: r.holder()}
	}
	if c == nil || c.at != o.Metadata.ResourceVersion || !o.exists() && !now.Before(c.sent.Add(c.lasts(0))) {
		c = &candidate{record: r.succeed(d.name, d.wantedTTL(), time.Now()), at: o.Metadata.ResourceVersion}
	}
	c.sent = now
	d.candidate = c
	return c.record, nil
}

// ensure makes one of the cluster's objects if it isn't there.
func (d *DCS) ensure(ctx context.Context, name string) error {
	_, err := d.modify(ctx, name, nil, func(o *object) (*patch, error) {
		if o.exists() {
			return nil, nil
		}
		return &patch{}, nil
	})
	return err
}

// claim marks the objects that hold what only the leader may write. Whoever led
// before and prepared a write to one of them finds that it is another now.
func (d *DCS) claim(ctx context.Context, grant string) error {
	for _, name := range []string{d.names.config, d.names.sync} {
		unseen := &object{Metadata: metadata{Name: name, ResourceVersion: anyVersion}}
		_, err := d.modify(ctx, name, unseen, func(*object) (*patch, error) {
			return &patch{annotations: map[string]any{claimName: grant}}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp releases a grant that can't be used. If that fails it ends by itself.
func (d *DCS) giveUp(ctx context.Context, grant string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if d.release(ctx, grant, nil) == nil {
		d.candidate = nil
	}
}

func (d *DCS) setHeld(grant string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = grant
}
