package etcd

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// ReleaseLeader implements dcs.DCS.
func (d *DCS) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	verb := "release the leader key" + alsoWriting(docs)
	if err := d.needName(verb); err != nil {
		return err
	}
	id, ok := parseGrantID(l.ID)
	if !ok {
		return failed(verb, d.lost(ctx))
	}
	if err := d.release(ctx, id, docs); err != nil {
		return failed(verb, err)
	}
	return nil
}

// release deletes the key, from whichever lease it is on if a move was under way.
// A document that conflicts doesn't keep the key.
func (d *DCS) release(ctx context.Context, id clientv3.LeaseID, docs []dcs.Write) error {
	var conflicted error
	for {
		t := transaction{conditions: d.holds(id)}
		for _, w := range docs {
			if err := t.write(d.prefix+string(w.Key), w); err != nil {
				return err
			}
		}
		t.then = append(t.then, clientv3.OpDelete(d.leader))
		t.otherwise = append(t.otherwise, clientv3.OpGet(d.leader))
		answer, tries, err := d.commit(ctx, t)
		if err != nil {
			return err
		}
		if answer.Succeeded {
			// With the lease ends every request that may still be under way for it.
			d.revoke(ctx, id)
			return conflicted
		}
		found, kv := answer.Responses[:len(docs)], got(answer.Responses[len(docs)])
		to := d.movingTo(id)
		switch {
		case d.heldBy(kv, id):
			conflicted, docs = conflict(docs, found), nil
		case to != clientv3.NoLease && d.heldBy(kv, to):
			id = to
		case tries > 1 && kv == nil && len(docs) > 0 && alreadyWritten(docs, found):
			d.revoke(ctx, id)
			return conflicted
		default:
			return refused(dcs.ErrLost, kv)
		}
	}
}

// movingTo is the lease that a move of unknown outcome may have taken the key to.
func (d *DCS) movingTo(id clientv3.LeaseID) clientv3.LeaseID {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.move != nil && d.move.from == id {
		return d.move.to.id
	}
	return clientv3.NoLease
}
