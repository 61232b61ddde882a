package zookeeper

import (
	"context"
	"errors"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// UpdateLeader implements dcs.DCS.
func (d *DCS) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	const verb = "renew the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	for _, w := range docs {
		if err := checkCondition(w.Prev); err != nil {
			return dcs.Lease{}, failed(verb, err)
		}
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
	g, err := d.find(ctx, id)
	if err != nil {
		return grant{}, err
	}
	if g, err = d.moved(ctx, g); err != nil {
		return grant{}, err
	}
	return d.renew(ctx, g, docs)
}

// renew extends g, makes sure that it holds the key, and writes docs.
// ErrConflict comes with the extended grant.
func (d *DCS) renew(ctx context.Context, g grant, docs []dcs.Write) (grant, error) {
	for again := false; ; again = true {
		c, err := d.attachHeld(ctx, g.session)
		if err != nil {
			return grant{}, err
		}
		attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
		extended, err := d.confirm(attempt, c, g.extended(c), docs, again)
		cancel()
		switch {
		case err == nil, errors.Is(err, dcs.ErrConflict):
			d.setHeld(extended)
			return extended, err
		case !worthRetrying(err), ctx.Err() != nil:
			c.close(err)
			return grant{}, err
		}
		c.close(err)
		if err := wait(ctx); err != nil {
			return grant{}, err
		}
	}
}

// attachHeld attaches to the session of the leader key. That it has ended only the
// key tells, which goes with it: a server may not know a living session yet.
func (d *DCS) attachHeld(ctx context.Context, s session) (*conn, error) {
	for {
		c, err := d.attach(ctx, s)
		if !errors.Is(err, codeSessionExpired) {
			return c, err
		}
		n, there, err := d.leaderKey(ctx)
		switch {
		case err != nil:
			return nil, err
		case !d.holds(s.id, n, there):
			return nil, d.refused(dcs.ErrLost, n, there)
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
}

// confirm writes docs and the leader key, unchanged, in one transaction if g holds
// the key. Again says that an earlier try may have done it.
func (d *DCS) confirm(ctx context.Context, c *conn, g grant, docs []dcs.Write, again bool) (grant, error) {
	var conflicted error
	for {
		changes, err := d.plan(ctx, c, docs)
		if errors.Is(err, dcs.ErrConflict) {
			if !again || !d.alreadyWritten(ctx, c, docs) {
				conflicted = err
			}
			docs = nil
			continue
		} else if err != nil {
			return g, err
		}
		// The first keeps the key of another member of ours, whose node may have the
		// same version; the second that of whoever else created it, at version 0.
		guards := []change{check(d.leasePath(g.session.id), anyVersion), set(d.leader, []byte(d.name), g.version)}
		set, err := c.multi(ctx, append(guards, changes...)...)
		if err == nil {
			if now := set[1]; now.owner == g.session.id {
				g.version = now.version
				return g, conflicted
			}
		}
		if g, err = d.replan(ctx, c, g, err); err != nil {
			return g, err
		}
	}
}

// replan looks at what kept a transaction of confirm from being made; nil: it is
// to be planned anew.
func (d *DCS) replan(ctx context.Context, c *conn, g grant, err error) (grant, error) {
	var r *refusedChange
	if err != nil && !errors.As(err, &r) {
		return g, err
	}
	if r == nil || r.at < 2 && (r.code == codeBadVersion || r.code == codeNoNode) {
		n, there, err := get(ctx, c, d.leader)
		if err == nil && (r == nil || r.at == 0 || !d.holds(g.session.id, n, there)) {
			err = d.refused(dcs.ErrLost, n, there)
		}
		g.version = n.version
		return g, err
	}
	switch r.code {
	case codeBadVersion, codeNodeExists: // a document was written meanwhile
		return g, nil
	case codeNoNode: // what it stands under may be missing, or it was deleted
		return g, d.makeParent(ctx, c, r.path)
	}
	return g, err
}

// ResumeLeader implements dcs.DCS.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	if err := d.renewing.Take(ctx); err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	defer d.renewing.Give()
	g, err := d.find(ctx, id)
	if err == nil {
		g, err = d.renew(ctx, g, nil)
	}
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

// wait is the pause before the same is tried again.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(2 * shortestPause):
		return nil
	}
}
