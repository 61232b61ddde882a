package consul

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// memberDelay is the lock delay of a member's entry: the least that there is, so
// that a restarted agent takes its entry over at once.
const memberDelay = time.Millisecond

// Touch implements dcs.DCS. An entry that stands as it should costs a renewal and no
// write; and a read unless a watch proves that it stands.
func (d *DCS) Touch(ctx context.Context, m dcs.Member) error {
	const verb = "touch"
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
	d.register(ctx, m)
	return nil
}

func (d *DCS) touch(ctx context.Context, path, value string) error {
	const tries = 5 // a session can end between two requests, but not again and again
	var err error
	for range tries {
		if err = d.extendMember(ctx); err != nil {
			return err
		}
		switch err = d.publish(ctx, path, value); {
		case errors.Is(err, errSessionGone):
			d.member = grant{}
		case !errors.Is(err, errDelayed):
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return err
}

// extendMember makes the member's session last for another TTL, or makes a new
// one.
func (d *DCS) extendMember(ctx context.Context) (err error) {
	if d.member.id != "" && d.member.asked == d.wantedTTL() {
		if d.member, err = d.extend(ctx, d.member); !errors.Is(err, errSessionGone) {
			return err
		}
	}
	d.member, err = d.newGrant(ctx, "member", memberDelay)
	return err
}

// publish writes the entry unless it stands already, under our session. One under
// another session, of an agent before us, is replaced.
func (d *DCS) publish(ctx context.Context, path, value string) error {
	if d.entry.Stands(value, d.member.id, &d.silence, d.clock.Now(), d.standingFor()) {
		return nil
	}
	sent := d.clock.Now()
	kv, err := d.get(ctx, path)
	if err != nil {
		return err
	}
	d.sawEntry(sent, kv)
	if kv != nil && kv.Session == d.member.id && string(kv.Value) == value {
		return nil
	}
	t := newTransaction()
	if kv != nil && kv.Session != d.member.id {
		t.add(api.KVTxnOp{Verb: api.KVDelete, Key: path})
	}
	t.add(api.KVTxnOp{Verb: api.KVLock, Key: path, Value: []byte(value), Session: d.member.id})
	sent = d.clock.Now()
	d.entry.Writing(sent)
	a, err := d.commit(ctx, t)
	switch {
	case err != nil:
		return err
	case a.done:
		d.entry.Saw(sent, value, d.member.id)
		return nil
	case a.says(invalidSession):
		return errSessionGone
	case a.says(inLockDelay):
		return errDelayed
	}
	return a.unexpected()
}

// sawEntry takes note of this member's entry, as a request that was sent at sent has
// shown it; nil: it is absent.
func (d *DCS) sawEntry(sent clock.Instant, kv *api.KVPair) {
	if kv == nil {
		d.entry.Saw(sent, "", "")
		return
	}
	d.entry.Saw(sent, string(kv.Value), kv.Session)
}
