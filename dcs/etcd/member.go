package etcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Touch implements dcs.DCS. An entry that stands as it should costs a keep-alive
// and no write; and a read unless a watch proves that it stands.
func (d *DCS) Touch(ctx context.Context, m dcs.Member) error {
	verb := "touch " + string(dcs.MemberKey(d.name))
	if err := d.needName(verb); err != nil {
		return err
	}
	value, err := m.MarshalJSON()
	if err != nil {
		return failed(verb, err)
	}
	if err := d.touching.Take(ctx); err != nil {
		return failed(verb, err)
	}
	defer d.touching.Give()
	if err := d.touch(ctx, d.prefix+string(dcs.MemberKey(d.name)), string(value)); err != nil {
		return failed(verb, err)
	}
	return nil
}

func (d *DCS) touch(ctx context.Context, path, value string) error {
	const tries = 3 // a lease can end between two requests, but not again and again
	var err error
	for range tries {
		if err = d.extendMember(ctx); err != nil {
			return err
		}
		if err = d.publish(ctx, path, value); !isLeaseNotFound(err) {
			return err
		}
		d.member = grant{}
	}
	return err
}

// extendMember makes the member's lease last for another TTL, or gets a new one.
func (d *DCS) extendMember(ctx context.Context) (err error) {
	if d.member.id != clientv3.NoLease && d.member.wanted == d.wantedTTL() {
		if d.member, err = d.keepAlive(ctx, d.member); !errors.Is(err, errLeaseGone) {
			return err
		}
	}
	d.member, err = d.newGrant(ctx)
	return err
}

// publish writes the entry unless it stands already, under our lease.
func (d *DCS) publish(ctx context.Context, path, value string) error {
	grant := grantID(d.member.id)
	if d.entry.Stands(value, grant, &d.silence, d.clock.Now(), d.standingFor()) {
		return nil
	}
	if !d.entry.Differs(value, grant) {
		sent := d.clock.Now()
		kv, err := d.get(ctx, path)
		if err != nil {
			return err
		}
		d.sawEntry(sent, kv)
		if kv != nil && kv.Lease == int64(d.member.id) && string(kv.Value) == value {
			return nil
		}
	}
	sent := d.clock.Now()
	d.entry.Writing(sent)
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Put(ctx, path, value, clientv3.WithLease(d.member.id))
		return err
	})
	if err == nil {
		d.entry.Saw(sent, value, grant)
	}
	return err
}

// sawEntry takes note of this member's entry, as a request that was sent at sent has
// shown it; nil: it is absent.
func (d *DCS) sawEntry(sent clock.Instant, kv *mvccpb.KeyValue) {
	if kv == nil {
		d.entry.Saw(sent, "", "")
		return
	}
	d.entry.Saw(sent, string(kv.Value), grantID(clientv3.LeaseID(kv.Lease)))
}
