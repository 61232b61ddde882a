package consul

import (
	"context"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// move takes the leader key from one session to another, whose TTL differs: a
// session can't change its own. It is kept until its outcome is known.
type move struct {
	from string
	to   grant
}

// moved returns the grant to renew for the session: itself, or after SetTTL a new
// one that the key was moved to.
func (d *DCS) moved(ctx context.Context, id string) (grant, error) {
	held := d.grantOf(id)
	d.mu.Lock()
	m := d.move
	d.mu.Unlock()
	if m == nil || m.from != id {
		asked := held.asked
		if asked == 0 { // not by us: what it was given tells
			asked = held.ttl
		}
		if asked == 0 || asked == d.wantedTTL() {
			return held, nil
		}
		m = &move{from: id}
	}
	return d.carryOut(ctx, m, held)
}

func (d *DCS) carryOut(ctx context.Context, m *move, held grant) (grant, error) {
	for {
		if m.to.id == "" {
			if _, err := d.trusted(ctx, held); err != nil { // it is in our name, too
				return grant{}, err
			}
			to, err := d.newGrant(ctx, "leader", d.options.LockDelay)
			if err != nil {
				return grant{}, err
			}
			m = &move{from: m.from, to: to}
			d.setMove(m)
		}
		t := newTransaction()
		t.holds(d.leader, m.from)
		t.add(api.KVTxnOp{Verb: api.KVUnlock, Key: d.leader, Value: []byte(d.name), Session: m.from})
		t.add(api.KVTxnOp{Verb: api.KVLock, Key: d.leader, Value: []byte(d.name), Session: m.to.id})
		sent := d.clock.Now()
		a, err := d.commit(ctx, t)
		if err != nil {
			return grant{}, err
		}
		if !a.done && a.failed(0) == "" {
			if !a.says(invalidSession) {
				return grant{}, a.unexpected()
			}
			m = &move{from: m.from} // so the key is still where it was
			continue
		}
		if !a.done {
			kv, err := d.get(ctx, d.leader)
			if err != nil {
				return grant{}, err
			}
			if !d.heldBy(kv, m.to.id) {
				d.setMove(nil)
				return grant{}, refused(dcs.ErrLost, kv)
			}
		}
		m.to.known, m.to.confirmed = true, sent
		d.setMove(nil)
		d.setHeld(m.to)
		d.destroy(ctx, m.from)
		return m.to, nil
	}
}

func (d *DCS) setMove(m *move) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move = m
}

// movingTo is the session that a move of unknown outcome may have taken the key
// to; empty: there is none.
func (d *DCS) movingTo(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.move != nil && d.move.from == id {
		return d.move.to.id
	}
	return ""
}
