package etcd2

import (
	"context"

	"github.com/regent-ha/regent/dcs"
)

// ReleaseLeader implements dcs.DCS.
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

// release writes the documents first: afterwards we have no right to. A document
// that conflicts doesn't keep the key.
func (d *DCS) release(ctx context.Context, grant string, docs []dcs.Write) error {
	edits, err := newEdits(docs)
	if err != nil {
		return err
	}
	var conflicted error
	for try := 0; len(edits) > 0; try++ {
		if try == moves {
			return errMoved
		}
		var fresh, done bool
		if conflicted, fresh, err = d.prepareWrites(ctx, grant, edits); err != nil {
			return err
		}
		if conflicted != nil {
			break
		}
		if fresh {
			if err := d.confirm(ctx, grant); err != nil {
				return err
			}
		}
		if done, err = d.write(ctx, grant, edits); err != nil {
			return err
		}
		if done {
			break
		}
	}
	if err := d.clear(ctx, d.known(grant)); err != nil {
		return err
	}
	return conflicted
}

// confirm asks whether the grant holds the key.
func (d *DCS) confirm(ctx context.Context, grant string) error {
	n, err := d.look(ctx, d.leaderKey())
	if err == nil && !d.isOurs(n, grant) {
		err = d.refused(dcs.ErrLost, n)
	}
	return err
}

// clear deletes the leader key, at the index that it has.
func (d *DCS) clear(ctx context.Context, h held) error {
	sent := false
	for {
		if h.index == 0 {
			n, err := d.look(ctx, d.leaderKey())
			switch {
			case err != nil:
				return err
			case n == nil && sent:
				return nil // by a try whose answer didn't come
			case !d.isOurs(n, h.grant):
				return d.refused(dcs.ErrLost, n)
			}
			h.index = n.ModifiedIndex
		}
		a, err := d.attempt(ctx, d.deletion(d.leaderKey(), h.index, false))
		if !isMoved(err) {
			return err
		}
		sent = sent || a.tries > 1
		h.index = 0
	}
}
