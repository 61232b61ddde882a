package kubernetes

import (
	"context"
	"errors"

	"github.com/regent-ha/regent/dcs"
)

// ReleaseLeader implements dcs.DCS. The record stays, without a leader: transitions
// and acquireTime go on from it.
func (d *DCS) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	const verb = "release the leader key"
	if err := d.needName(verb); err != nil {
		return err
	}
	d.setHeld("")
	if err := d.release(ctx, l.ID, docs); err != nil {
		return failed(verb, err)
	}
	return nil
}

// release writes the documents of other objects first: afterwards we have no right
// to. A document that conflicts doesn't keep the key.
func (d *DCS) release(ctx context.Context, id string, docs []dcs.Write) error {
	own, others, err := d.plan(docs)
	if err != nil {
		return err
	}
	conflicted := d.prepare(ctx, others)
	if conflicted != nil && !errors.Is(conflicted, dcs.ErrConflict) {
		return conflicted
	}
	leader, err := d.look(ctx, d.resource(), d.names.leader)
	if err != nil {
		return err
	}
	if _, err := d.own(ctx, leader, id); err != nil {
		return err
	}
	if conflicted == nil {
		conflicted = own.apply(leader, &patch{})
	}
	for _, e := range others {
		if conflicted != nil {
			break
		}
		if err := d.writeElsewhere(ctx, id, e); errors.Is(err, dcs.ErrConflict) {
			conflicted = err
		} else if err != nil {
			return err
		}
	}
	return d.clear(ctx, id, own, leader, conflicted)
}

// clear takes our name out of the leader object.
func (d *DCS) clear(ctx context.Context, id string, docs edit, leader *object, conflicted error) error {
	sent := false
	w, err := d.modify(ctx, d.names.leader, leader, func(o *object) (*patch, error) {
		if r := recordOf(o); sent && r.Leader == "" && r.grant() == id {
			return nil, nil // by an attempt whose answer didn't come
		}
		if _, err := d.own(ctx, o, id); err != nil {
			return nil, err
		}
		p, withDocs := &patch{}, &patch{}
		if conflicted == nil {
			conflicted = docs.apply(o, withDocs)
		}
		if conflicted == nil {
			p = withDocs
		}
		p.annotate(map[string]any{leaderAnnotation: nil})
		p.subsets = d.noSubsets()
		sent = true
		return p, nil
	})
	if err != nil {
		return err
	}
	if !w.sent.IsZero() {
		d.wrote(w)
	}
	return conflicted
}
