package zookeeper

import (
	"context"
	"errors"

	"github.com/regent-ha/regent/dcs"
)

// move takes the leader key from one session to another, whose timeout differs: a
// session can't change the one that it was created with. It is kept until its
// outcome is known.
type move struct{ from, to grant }

// moved returns the grant to renew for g: itself, or after SetTTL a new one that
// the key was moved to.
func (d *DCS) moved(ctx context.Context, g grant) (grant, error) {
	d.mu.Lock()
	m := d.move
	d.mu.Unlock()
	if m == nil || m.from.session.id != g.session.id {
		if g.session.asked == d.wantedTTL() {
			return g, nil
		}
		m = &move{from: g}
	}
	for {
		to, err := d.carryOut(ctx, m)
		switch {
		case err == nil:
			d.finish(ctx, m)
			return to, nil
		case errors.Is(err, dcs.ErrLost):
			d.setMove(nil)
			return grant{}, err
		case !worthRetrying(err), ctx.Err() != nil:
			return grant{}, err
		}
		if err := wait(ctx); err != nil {
			return grant{}, err
		}
	}
}

// carryOut makes one try.
func (d *DCS) carryOut(ctx context.Context, m *move) (grant, error) {
	c, err := d.attachNew(ctx, m)
	if err != nil {
		return grant{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
	defer cancel()
	to := m.to.extended(c)
	for {
		// Both conditions keep the key of a successor when a request arrives late, as
		// confirm says.
		changes := append([]change{check(d.leasePath(m.from.session.id), anyVersion), remove(d.leader, m.from.version)}, d.createKey(to)...)
		_, err := c.multi(ctx, changes...)
		if err == nil {
			to.version = firstVersion
			m.to = to
			return to, nil
		}
		var r *refusedChange
		if !errors.As(err, &r) {
			c.close(err)
			return grant{}, err
		}
		n, there, errGet := get(ctx, c, d.leader)
		switch {
		case errGet != nil:
			c.close(errGet)
			return grant{}, errGet
		case d.holds(to.session.id, n, there):
			to.version = n.version
			m.to = to
			return to, nil
		case !d.holds(m.from.session.id, n, there):
			return grant{}, d.refused(dcs.ErrLost, n, there)
		case r.at == 1 && r.code == codeBadVersion:
			m.from.version = n.version
		default:
			return grant{}, err
		}
	}
}

// attachNew attaches to the session that the key goes to, a new one if there is
// none.
func (d *DCS) attachNew(ctx context.Context, m *move) (*conn, error) {
	if m.to.session.id != 0 {
		c, err := d.attach(ctx, m.to.session)
		if !errors.Is(err, codeSessionExpired) {
			return c, err
		}
	}
	c, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	m.to = grant{session: c.session, created: c.granted, lineage: m.from.lineage}
	d.setMove(m)
	return c, nil
}

// finish ends what the key was under before.
func (d *DCS) finish(ctx context.Context, m *move) {
	if c := m.from.conn; c != nil {
		endSession(ctx, c) // else it ends by itself
	}
	d.setMove(nil)
	d.setHeld(m.to)
}

func (d *DCS) setMove(m *move) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move = m
}
