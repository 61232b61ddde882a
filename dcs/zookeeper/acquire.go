package zookeeper

import (
	"context"
	"errors"
	"strings"

	"github.com/regent-ha/regent/dcs"
)

// candidate is a session that was begun for the leader key and whose attempt at it
// has an unknown outcome.
type candidate struct{ grant }

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
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

func (d *DCS) acquire(ctx context.Context) (grant, error) {
	for {
		c, err := d.prepare(ctx)
		if err != nil {
			return grant{}, err
		}
		attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
		g, err := d.contend(attempt, c)
		cancel()
		switch {
		case err == nil:
			d.candidate = nil
			d.setHeld(g)
			return g, nil
		case errors.Is(err, dcs.ErrHeld):
			// With the session ends every attempt that may still be under way.
			if endSession(ctx, c) == nil {
				d.candidate = nil
			}
			return grant{}, err
		case !worthRetrying(err), ctx.Err() != nil:
			c.close(err)
			return grant{}, err
		}
		c.close(err)
	}
}

// prepare attaches to the candidate's session, a new one if there is none.
func (d *DCS) prepare(ctx context.Context) (*conn, error) {
	if d.candidate != nil {
		c, err := d.attach(ctx, d.candidate.session)
		if !errors.Is(err, codeSessionExpired) {
			return c, err
		}
	}
	d.candidate = nil
	c, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	d.candidate = &candidate{grant{session: c.session, created: c.granted, lineage: sessionID(c.session.id)}}
	return c, nil
}

// contend creates the leader key under the candidate's session, which c is
// attached to. A key that is there under that session already is a win as well:
// an earlier attempt's.
func (d *DCS) contend(ctx context.Context, c *conn) (grant, error) {
	g := d.candidate.extended(c)
	for {
		left, err := d.leftovers(ctx, c, g)
		if err != nil {
			return grant{}, err
		}
		_, err = c.multi(ctx, append(d.createKey(g), left...)...)
		switch refusal(err) {
		case 0:
			if err == nil {
				g.version, err = firstVersion, d.settle(ctx, c, g)
			}
			return g, err
		case codeNoNode: // the cluster, or something that was left
			if err := d.makeParent(ctx, c, d.leader); err != nil {
				return grant{}, err
			}
			continue
		case codeNodeExists:
		default:
			return grant{}, err
		}
		// It was a transaction that a majority took: what c reads now is as new.
		n, there, err := get(ctx, c, d.leader)
		switch {
		case err != nil:
			return grant{}, err
		case d.holds(g.session.id, n, there):
			g.version = n.version
			return g, d.settle(ctx, c, g)
		case there: // under our session as well, if an earlier holder has written on it
			return grant{}, d.refused(dcs.ErrHeld, n, there)
		}
		// Gone meanwhile. What is left beside it would be in the way.
		if err := d.removeIfThere(ctx, c, d.leasePath(g.session.id)); err != nil {
			return grant{}, err
		}
	}
}

// leftovers removes what stands beside no key any more. Somebody may have deleted
// the key and not its session: whatever that one asks for from now on is refused.
func (d *DCS) leftovers(ctx context.Context, c *conn, g grant) (removals []change, err error) {
	if err := d.barrier(ctx, c); err != nil {
		return nil, err
	}
	t := tree{listed: map[string]stat{}}
	paths, err := t.list(ctx, c, []string{d.root})
	if refusal(err) == codeNoNode {
		return nil, nil
	}
	for _, p := range paths {
		if strings.HasPrefix(p, d.leader+leaseSuffix) && p != d.leasePath(g.session.id) {
			removals = append(removals, remove(p, anyVersion))
		}
	}
	return removals, err
}

var errContested = errors.New("an earlier holder's lease was still there")

// settle makes sure that nothing was left which came after leftovers looked: an
// earlier holder's that moved its key, which was deleted then. Until it is gone
// that one can write on our node, so the key is looked at once more after that.
func (d *DCS) settle(ctx context.Context, c *conn, g grant) error {
	left, err := d.leftovers(ctx, c, g)
	if err != nil || len(left) == 0 {
		return err
	}
	if _, err := c.multi(ctx, left...); err != nil && refusal(err) != codeNoNode {
		return err
	}
	return errContested
}
