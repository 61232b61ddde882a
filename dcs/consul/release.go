package consul

import (
	"context"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// ReleaseLeader implements dcs.DCS. It deletes the key before it ends the session:
// the other way round Consul would keep the key from everybody for its lock delay.
func (d *DCS) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	const verb = "release the leader key"
	if err := d.needName(verb); err != nil {
		return err
	}
	if err := d.release(ctx, l.ID, docs); err != nil {
		return failed(verb, err)
	}
	return nil
}

// release deletes the key, from whichever session it is under if a move was under
// way. A document that conflicts doesn't keep the key.
func (d *DCS) release(ctx context.Context, id string, docs []dcs.Write) error {
	if !d.grantOf(id).known { // it may be another member's
		kv, err := d.get(ctx, d.leader)
		switch {
		case err != nil:
			return err
		case !d.heldBy(kv, id) && !d.heldBy(kv, d.movingTo(id)):
			return refused(dcs.ErrLost, kv)
		}
	}
	var conflicted error
	for {
		t := newTransaction()
		t.holds(d.leader, id)
		for _, w := range docs {
			if err := t.write(d.prefix+string(w.Key), w); err != nil {
				return err
			}
		}
		t.add(api.KVTxnOp{Verb: api.KVDelete, Key: d.leader})
		a, err := d.commit(ctx, t)
		switch {
		case err != nil:
			return err
		case a.done:
			d.destroy(ctx, id)
			return conflicted
		case a.failed(0) == "": // held, so a document is why
			conflict := t.conflict(a)
			if conflict == nil {
				return a.unexpected()
			}
			conflicted, docs = conflict, nil
			continue
		}
		kv, err := d.get(ctx, d.leader)
		switch to := d.movingTo(id); {
		case err != nil:
			return err
		case d.heldBy(kv, to):
			id = to
			continue
		case d.heldBy(kv, id):
			return a.unexpected()
		}
		if a.tries > 1 && kv == nil && len(docs) > 0 {
			written, err := d.alreadyWritten(ctx, t.mark, docs)
			if written || err != nil {
				d.destroy(ctx, id)
				return err
			}
		}
		return refused(dcs.ErrLost, kv)
	}
}
