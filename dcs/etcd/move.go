package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// move takes the leader key from one lease to another, whose TTL differs: a
// lease can't change its own. It is kept until its outcome is known.
type move struct {
	from clientv3.LeaseID
	to   grant
}

// moved returns the grant to renew for the lease: itself, or after SetTTL a new
// one that the key was moved to.
func (d *DCS) moved(ctx context.Context, id clientv3.LeaseID) (grant, error) {
	d.mu.Lock()
	m, held := d.move, d.held
	d.mu.Unlock()
	if held.id != id {
		held = grant{id: id}
	}
	if m == nil || m.from != id {
		asked := held.wanted
		if asked == 0 { // not by us: what it was given tells
			asked = int64(held.ttl / time.Second)
		}
		if asked == 0 || asked == d.wantedTTL() {
			return held, nil
		}
		m = &move{from: id}
	}
	return d.carryOut(ctx, m)
}

func (d *DCS) carryOut(ctx context.Context, m *move) (grant, error) {
	for {
		if m.to.id == clientv3.NoLease {
			to, err := d.newGrant(ctx)
			if err != nil {
				return grant{}, err
			}
			m = &move{from: m.from, to: to}
			d.setMove(m)
		}
		answer, _, err := d.commit(ctx, transaction{
			conditions: d.holds(m.from),
			then:       []clientv3.Op{clientv3.OpPut(d.leader, d.name, clientv3.WithLease(m.to.id))},
			otherwise:  []clientv3.Op{clientv3.OpGet(d.leader)},
		})
		switch {
		case isLeaseNotFound(err): // so the key is still where it was
			m = &move{from: m.from}
			continue
		case err != nil:
			return grant{}, err
		}
		if !answer.Succeeded {
			if kv := got(answer.Responses[0]); !d.heldBy(kv, m.to.id) {
				d.setMove(nil)
				return grant{}, refused(dcs.ErrLost, kv)
			}
		}
		d.setMove(nil)
		d.setHeld(m.to)
		d.revoke(ctx, m.from)
		return m.to, nil
	}
}

func (d *DCS) setMove(m *move) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move = m
}
