package zookeeper

import (
	"context"
	"errors"

	"github.com/regent-ha/regent/dcs"
)

// ReleaseLeader implements dcs.DCS.
func (d *DCS) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	const verb = "release the leader key"
	if err := d.needName(verb); err != nil {
		return err
	}
	for _, w := range docs {
		if err := checkCondition(w.Prev); err != nil {
			return failed(verb, err)
		}
	}
	g, err := d.find(ctx, l.ID)
	if err == nil {
		err = d.release(ctx, g, docs)
	}
	if err != nil {
		return failed(verb, err)
	}
	return nil
}

// release writes docs, then ends the session: that takes the key away which hangs
// on it and no other one, and every request that may still be under way for it.
// A document that conflicts doesn't keep the key.
func (d *DCS) release(ctx context.Context, g grant, docs []dcs.Write) error {
	var conflicted error
	for asked, again := false, false; ; again = true {
		c, err := d.attachHeld(ctx, g.session)
		if errors.Is(err, dcs.ErrLost) {
			if to, ok := d.movedTo(err, g); ok {
				g = to
				continue
			}
			d.forget(g)
			if asked {
				return conflicted
			}
		}
		if err != nil {
			return err
		}
		attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
		g, err = d.confirm(attempt, c, g.extended(c), docs, again)
		if errors.Is(err, dcs.ErrConflict) {
			conflicted, docs, err = err, nil, nil
		}
		if to, ok := d.movedTo(err, g); ok {
			g = to
			cancel()
			continue
		}
		if err == nil || errors.Is(err, dcs.ErrLost) {
			asked = err == nil
			if errEnd := endSession(attempt, c); err == nil {
				err = errEnd
			}
		}
		cancel()
		switch {
		case err == nil:
			d.forget(g)
			return conflicted
		case !worthRetrying(err), ctx.Err() != nil:
			c.close(err)
			return err
		}
		c.close(err)
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// movedTo is the grant that a move of unknown outcome took the key to, if a
// refusal of the one before names it.
func (d *DCS) movedTo(err error, from grant) (grant, bool) {
	var refused *dcs.RefusedError
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.move == nil || d.move.from.session.id != from.session.id || !errors.As(err, &refused) || refused.Holder == nil ||
		refused.Holder.Grant != sessionID(d.move.to.session.id) {
		return grant{}, false
	}
	return d.move.to, true
}

// forget drops a grant that has ended, and a move of it.
func (d *DCS) forget(g grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held.session.id == g.session.id {
		if d.held.conn != nil {
			d.held.conn.close(errReplaced)
		}
		d.held = grant{}
	}
	if d.move != nil && (d.move.from.session.id == g.session.id || d.move.to.session.id == g.session.id) {
		d.move = nil
	}
}
