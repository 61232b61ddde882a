package consul

import (
	"context"
	"errors"

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
	g, err := d.update(ctx, l.ID, docs)
	switch {
	case errors.Is(err, dcs.ErrConflict):
		return g.lease(), failed(verb, err)
	case err != nil:
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

func (d *DCS) update(ctx context.Context, id string, docs []dcs.Write) (grant, error) {
	g, err := d.moved(ctx, id)
	if err != nil {
		return grant{}, err
	}
	return d.renew(ctx, g, docs)
}

// grantOf is what we know of a session that may hold the leader key for us.
func (d *DCS) grantOf(id string) grant {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held.id == id {
		return d.held
	}
	return grant{id: id}
}

// renew extends g, makes sure that the extension is real and that g holds the key
// in our name, and writes docs. ErrConflict comes with the extended grant.
func (d *DCS) renew(ctx context.Context, g grant, docs []dcs.Write) (grant, error) {
	g, err := d.trusted(ctx, g)
	if err != nil {
		return grant{}, err
	}
	g, err = d.extendHeld(ctx, g)
	if err != nil {
		return grant{}, err
	}
	g, err = d.confirm(ctx, g, docs)
	if err != nil && !errors.Is(err, dcs.ErrConflict) {
		return grant{}, err
	}
	d.setHeld(g)
	return g, err
}

// trusted confirms g unless it was confirmed within the last TTL: of a server that
// has been deposed for longer than that an extension says nothing.
func (d *DCS) trusted(ctx context.Context, g grant) (grant, error) {
	if g.known && d.clock.Now().Before(g.confirmed.Add(g.ttl)) {
		return g, nil
	}
	return d.confirm(ctx, g, nil)
}

// extendHeld makes the session last for another TTL. That it is lost only the key
// tells, which goes with its session: a server's leader that has just been elected
// may not know a living session yet.
func (d *DCS) extendHeld(ctx context.Context, g grant) (grant, error) {
	for {
		extended, err := d.extend(ctx, g)
		if !errors.Is(err, errSessionGone) {
			return extended, err
		}
		if _, err := d.confirm(ctx, g, nil); err != nil {
			return grant{}, err
		}
		if err := wait(ctx); err != nil {
			return grant{}, err
		}
	}
}

// confirm makes sure that g holds the leader key, and writes docs if it does.
func (d *DCS) confirm(ctx context.Context, g grant, docs []dcs.Write) (grant, error) {
	sent := d.clock.Now()
	if len(docs) > 0 {
		err := d.writeHeld(ctx, g.id, docs)
		if err != nil && !errors.Is(err, dcs.ErrConflict) {
			return grant{}, err
		}
		g.known, g.confirmed = true, sent
		return g, err
	}
	kv, err := d.get(ctx, d.leader)
	switch {
	case err != nil:
		return grant{}, err
	case !d.heldBy(kv, g.id):
		return grant{}, refused(dcs.ErrLost, kv)
	}
	g.known, g.confirmed = true, sent
	return g, nil
}

// writeHeld writes docs if the session holds the leader key, which the caller
// knows to be in our name as long as it does.
func (d *DCS) writeHeld(ctx context.Context, session string, docs []dcs.Write) error {
	t := newTransaction()
	t.holds(d.leader, session)
	for _, w := range docs {
		if err := t.write(d.prefix+string(w.Key), w); err != nil {
			return err
		}
	}
	a, err := d.commit(ctx, t)
	switch {
	case err != nil || a.done:
		return err
	case a.failed(0) != "":
		return d.lost(ctx, session, a)
	}
	conflict := t.conflict(a)
	if conflict == nil {
		return a.unexpected()
	}
	if a.tries > 1 {
		written, err := d.alreadyWritten(ctx, t.mark, docs)
		if written || err != nil {
			return err
		}
	}
	return conflict
}

// lost is the refusal of a session that the servers say doesn't hold the key. It
// is read again to name who does.
func (d *DCS) lost(ctx context.Context, session string, a answer) error {
	kv, err := d.get(ctx, d.leader)
	switch {
	case err != nil:
		return err
	case d.heldBy(kv, session):
		return a.unexpected()
	}
	return refused(dcs.ErrLost, kv)
}

// alreadyWritten says whether the documents are as the transaction with that mark
// made them: one that was sent again has met its first try's work.
func (d *DCS) alreadyWritten(ctx context.Context, mark uint64, docs []dcs.Write) (bool, error) {
	for _, w := range docs {
		kv, err := d.get(ctx, d.prefix+string(w.Key))
		if err != nil {
			return false, err
		}
		if w.Value == nil && kv != nil || w.Value != nil && (kv == nil || kv.Flags != mark) {
			return false, nil
		}
	}
	return true, nil
}

// ResumeLeader implements dcs.DCS.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	// What this handle knows of the grant doesn't count: it is asked for anew.
	g, err := d.renew(ctx, grant{id: id, asked: d.grantOf(id).asked}, nil)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}
