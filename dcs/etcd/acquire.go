package etcd

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// candidate is a lease that was got for the leader key and doesn't hold it as
// far as we know.
type candidate struct {
	grant
	sent bool // the outcome of an attempt to attach the key stayed unknown
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
	g, err := d.acquire(ctx)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

func (d *DCS) acquire(ctx context.Context) (grant, error) {
	const tries = 3 // a lease can end between two requests, but not again and again
	for range tries {
		c, err := d.prepare(ctx)
		if err != nil {
			return grant{}, err
		}
		won, err := d.attach(ctx, c)
		switch {
		case isLeaseNotFound(err):
			d.candidate = nil
			continue
		case err != nil:
			return grant{}, err
		}
		d.setHeld(won)
		if won.term != 0 { // extended, which isn't confirmed yet
			won, err = d.renew(ctx, won, nil)
			if err != nil && !errors.Is(err, dcs.ErrLost) {
				return grant{}, err // the next attempt finds the key under this lease
			}
		}
		d.candidate = nil
		return won, err
	}
	return grant{}, fmt.Errorf("%w, %d times in a row, before the key was attached to it", errLeaseGone, tries)
}

// prepare returns a living lease: the one of an earlier attempt if there is one.
func (d *DCS) prepare(ctx context.Context) (*candidate, error) {
	if c := d.candidate; c != nil && (c.sent || !c.over(d.clock.Now()) && c.wanted == d.wantedTTL()) {
		g, err := d.keepAlive(ctx, c.grant)
		if err == nil {
			c.grant = g
			return c, nil
		}
		if !errors.Is(err, errLeaseGone) {
			return nil, err
		}
	}
	d.candidate = nil
	g, err := d.newGrant(ctx)
	if err != nil {
		return nil, err
	}
	d.candidate = &candidate{grant: g}
	return d.candidate, nil
}

// attach creates the leader key under the candidate's lease. A key that is there
// under that lease already is a win as well: an earlier attempt's.
func (d *DCS) attach(ctx context.Context, c *candidate) (grant, error) {
	before := c.sent
	c.sent = true // until the answer is here
	answer, _, err := d.commit(ctx, transaction{
		conditions: []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(d.leader), "=", 0)},
		then:       []clientv3.Op{clientv3.OpPut(d.leader, d.name, clientv3.WithLease(c.id))},
		otherwise:  []clientv3.Op{clientv3.OpGet(d.leader)},
	})
	if err != nil {
		return grant{}, err
	}
	c.sent = before // an earlier one may still be under way
	if answer.Succeeded {
		return c.grant, nil
	}
	kv := got(answer.Responses[0])
	if kv != nil && kv.Lease == int64(c.id) {
		return c.grant, nil
	}
	return grant{}, refused(dcs.ErrHeld, kv)
}

func (d *DCS) setHeld(g grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = g
}
