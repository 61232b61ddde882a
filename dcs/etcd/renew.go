package etcd

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// UpdateLeader implements dcs.DCS.
func (d *DCS) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	verb := "renew the leader key" + alsoWriting(docs)
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
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
	lease, ok := parseGrantID(id)
	if !ok {
		return grant{}, d.lost(ctx)
	}
	g, err := d.moved(ctx, lease)
	if err != nil {
		return grant{}, err
	}
	return d.renew(ctx, g, docs)
}

// renew extends g, makes sure that the extension is real and that g holds the
// key, and writes docs. ErrConflict comes with the extended grant.
func (d *DCS) renew(ctx context.Context, g grant, docs []dcs.Write) (grant, error) {
	var conflicted error
	for {
		extended, err := d.extend(ctx, g)
		if err != nil {
			return grant{}, err
		}
		term, err := d.confirm(ctx, g.id, docs)
		if errors.Is(err, dcs.ErrConflict) {
			conflicted = err
		} else if err != nil {
			return grant{}, err
		}
		docs = nil // written, or not to be
		if extended.confirmed(term) {
			d.setHeld(extended)
			return extended, conflicted
		}
	}
}

// extend makes the lease last for another TTL. That it is lost only the key tells,
// which goes with its lease: a server's leader that has just been elected may not
// know a living lease yet.
func (d *DCS) extend(ctx context.Context, g grant) (grant, error) {
	for {
		extended, err := d.keepAlive(ctx, g)
		if !errors.Is(err, errLeaseGone) {
			return extended, err
		}
		kv, err := d.leaderKey(ctx)
		switch {
		case err != nil:
			return grant{}, err
		case !d.heldBy(kv, g.id):
			return grant{}, refused(dcs.ErrLost, kv)
		}
		if err := wait(ctx); err != nil {
			return grant{}, err
		}
	}
}

// confirm writes docs if the lease holds the leader key, and returns the raft
// term that the answer was given in.
func (d *DCS) confirm(ctx context.Context, id clientv3.LeaseID, docs []dcs.Write) (term uint64, err error) {
	t := transaction{conditions: d.holds(id)}
	for _, w := range docs {
		if err := t.write(d.prefix+string(w.Key), w); err != nil {
			return 0, err
		}
	}
	t.otherwise = append(t.otherwise, clientv3.OpGet(d.leader))
	if len(t.then) == 0 { // a transaction without any read may be answered by a server on its own
		t.then = append(t.then, clientv3.OpGet(d.leader, clientv3.WithCountOnly()))
	}
	answer, tries, err := d.commit(ctx, t)
	if err != nil {
		return 0, err
	}
	term = answer.Header.GetRaftTerm()
	if answer.Succeeded {
		return term, nil
	}
	found := answer.Responses[:len(docs)]
	if kv := got(answer.Responses[len(docs)]); !d.heldBy(kv, id) {
		return 0, refused(dcs.ErrLost, kv)
	}
	if tries > 1 && alreadyWritten(docs, found) {
		return term, nil
	}
	return term, conflict(docs, found)
}

// leaderKey reads the leader key, linearizably; nil: it is absent.
func (d *DCS) leaderKey(ctx context.Context) (*mvccpb.KeyValue, error) { return d.get(ctx, d.leader) }

// get reads one key, linearizably; nil: it is absent.
func (d *DCS) get(ctx context.Context, path string) (kv *mvccpb.KeyValue, err error) {
	err = d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		answer, err := client.Get(ctx, path)
		if err == nil && len(answer.Kvs) > 0 {
			kv = answer.Kvs[0]
		}
		return err
	})
	return kv, err
}

// lost is the refusal of a grant that can't be one of this store.
func (d *DCS) lost(ctx context.Context) error {
	kv, err := d.leaderKey(ctx)
	if err != nil {
		return err
	}
	return refused(dcs.ErrLost, kv)
}

// ResumeLeader implements dcs.DCS.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	kv, err := d.leaderKey(ctx)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	lease, ok := parseGrantID(id)
	if !ok || !d.heldBy(kv, lease) {
		return dcs.Lease{}, failed(verb, refused(dcs.ErrLost, kv))
	}
	g, err := d.renew(ctx, grant{id: lease}, nil)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return g.lease(), nil
}

// wait is the pause before the same question is asked again.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}
