package zookeeper

import (
	"bytes"
	"context"
	"errors"

	"github.com/regent-ha/regent/dcs"
)

// Touch implements dcs.DCS. An entry that stands as it should costs one read,
// which extends the session that it hangs on.
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
	if err := d.touch(ctx, d.path(dcs.MemberKey(d.name)), value); err != nil {
		return failed(verb, err)
	}
	return nil
}

func (d *DCS) touch(ctx context.Context, path string, value []byte) error {
	for {
		before := d.member
		if err := d.attachMember(ctx); err != nil {
			return err
		}
		attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
		err := d.publish(attempt, d.member, path, value)
		if err == nil && before != nil && before.session.id != d.member.session.id && !before.ended() {
			endSession(attempt, before) // the entry hangs on it no more
		}
		cancel()
		switch {
		case err == nil:
			return nil
		case !worthRetrying(err):
			return err
		}
		d.member.close(err)
		if ctx.Err() != nil {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// attachMember makes d.member a connection to a session of the TTL that holds now.
func (d *DCS) attachMember(ctx context.Context) error {
	if m := d.member; m != nil && m.session.asked == d.wantedTTL() {
		if !m.ended() {
			return nil
		}
		c, err := d.attach(ctx, m.session)
		if err == nil {
			d.member = c
		}
		if !errors.Is(err, codeSessionExpired) {
			return err
		}
	}
	c, err := d.begin(ctx)
	if err == nil {
		d.member = c
	}
	return err
}

// publish writes the entry unless it stands already, under the session of c.
func (d *DCS) publish(ctx context.Context, c *conn, path string, value []byte) error {
	for {
		n, there, err := get(ctx, c, path)
		switch {
		case err != nil:
			return err
		case !there:
			_, err = c.multi(ctx, create(path, value, d.acl, ephemeral))
		case n.owner != c.session.id:
			_, err = c.multi(ctx, remove(path, n.version), create(path, value, d.acl, ephemeral))
		case bytes.Equal(n.value, value):
			return nil
		default:
			_, err = c.multi(ctx, set(path, value, n.version))
		}
		switch refusal(err) {
		case 0:
			return err
		case codeBadVersion, codeNodeExists:
		case codeNoNode:
			if err := d.makeParent(ctx, c, path); err != nil {
				return err
			}
		default:
			return err
		}
	}
}
