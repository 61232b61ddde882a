package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// UpdateLeader implements dcs.DCS.
func (d *DCS) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	const verb = "renew the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	if err := d.renewing.Take(ctx); err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	defer d.renewing.Give()
	l, err := d.update(ctx, l.ID, docs)
	switch {
	case errors.Is(err, dcs.ErrConflict):
		return l, failed(verb, err)
	case err != nil:
		return dcs.Lease{}, failed(verb, err)
	}
	return l, nil
}

// update renews, and writes the documents of other objects between two renewals:
// the first confirms the grant after those objects were read, the second writes
// those of the leader object.
func (d *DCS) update(ctx context.Context, id string, docs []dcs.Write) (dcs.Lease, error) {
	own, others, err := d.plan(docs)
	if err != nil {
		return dcs.Lease{}, err
	}
	if len(others) == 0 {
		return d.renew(ctx, id, own, true)
	}
	conflicted := d.prepare(ctx, others)
	if conflicted != nil && !errors.Is(conflicted, dcs.ErrConflict) {
		return dcs.Lease{}, conflicted
	}
	l, err := d.renew(ctx, id, own, false)
	if err != nil {
		return l, err
	}
	if conflicted != nil {
		return l, conflicted
	}
	for _, e := range others {
		if err := d.writeElsewhere(ctx, id, e); err != nil {
			return l, err
		}
	}
	if len(own.docs) > 0 {
		return d.renew(ctx, id, own, true)
	}
	return l, nil
}

// renew extends the grant and writes the documents of the leader object, in one
// write; or only looks whether they could be written. ErrConflict comes with the
// extended lease.
func (d *DCS) renew(ctx context.Context, id string, docs edit, write bool) (dcs.Lease, error) {
	var conflicted error
	w, err := d.modify(ctx, d.names.leader, d.known(id), func(o *object) (*patch, error) {
		r, err := d.own(ctx, o, id)
		if err != nil {
			return nil, err
		}
		p, withDocs := &patch{}, &patch{}
		if conflicted = docs.apply(o, withDocs); conflicted == nil && write {
			p = withDocs
		}
		p.annotate(r.renew(d.wantedTTL(), time.Now()).annotate())
		if p.subsets, err = d.missingSubsets(ctx, o); err != nil {
			return nil, err
		}
		return p, nil
	})
	if err != nil {
		return dcs.Lease{}, err
	}
	d.wrote(w)
	d.setHeld(id)
	return d.lease(w), conflicted
}

// known is the leader object as our last write left it, if that was under the grant
// and nobody has seen another since.
func (d *DCS) known(id string) *object {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leader == nil {
		return nil
	}
	if r := recordOf(d.leader); r.grant() != id || r != d.seen.Record {
		return nil
	}
	return d.leader
}

// own is the record if it is our grant, unexpired. Else ErrLost.
func (d *DCS) own(ctx context.Context, o *object, id string) (record, error) {
	if !o.exists() {
		return record{}, d.gone(ctx)
	}
	r, held := d.observe(o, d.clock.Now())
	switch {
	case !held:
		return record{}, &dcs.RefusedError{Err: dcs.ErrLost}
	case r.Leader != d.name || r.grant() != id:
		return record{}, &dcs.RefusedError{Err: dcs.ErrLost, Holder: r.holder()}
	}
	return r, nil
}

// gone tells what it means that the leader object isn't there: the key is absent if
// the rest of the cluster is there. Else the store may have lost everything.
func (d *DCS) gone(ctx context.Context) error {
	config, err := d.look(ctx, d.resource(), d.names.config)
	switch {
	case err != nil:
		return fmt.Errorf("get %s %s: %w", d.resource(), d.names.config, err)
	case !config.exists():
		return fmt.Errorf("neither %s nor %s is there: the store has lost the cluster, or somebody removed it", d.names.leader, d.names.config)
	}
	return &dcs.RefusedError{Err: dcs.ErrLost}
}

// ResumeLeader implements dcs.DCS.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	w, err := d.modify(ctx, d.names.leader, nil, func(o *object) (*patch, error) {
		r, err := d.own(ctx, o, id)
		if err != nil {
			return nil, err
		}
		return &patch{annotations: r.renew(r.TTL, time.Now()).annotate()}, nil
	})
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	d.wrote(w)
	d.setHeld(id)
	return d.lease(w), nil
}
