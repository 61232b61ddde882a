package etcd2

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/regent-ha/regent/dcs"
)

// entry is the member's as we wrote it last.
type entry struct {
	value string
	index uint64 // 0: we don't know of any
}

// Touch implements dcs.DCS. An entry that stands as it should gets another TTL and
// wakes nobody.
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
	if err := d.touch(ctx, string(value)); err != nil {
		return failed(verb, err)
	}
	return nil
}

func (d *DCS) touch(ctx context.Context, value string) error {
	r := request{method: http.MethodPut, key: d.key(dcs.MemberKey(d.name)), form: url.Values{"ttl": {seconds(d.wantedTTL())}}}
	if d.entry.index != 0 && d.entry.value == value {
		r.form.Set("refresh", "true")
		r.form.Set("prevIndex", strconv.FormatUint(d.entry.index, 10))
		a, err := d.attempt(ctx, r)
		if !isMoved(err) {
			return d.touched(value, a, err)
		}
		r.form.Del("refresh")
		r.form.Del("prevIndex")
	}
	r.form.Set("value", value)
	a, err := d.attempt(ctx, r)
	return d.touched(value, a, err)
}

func (d *DCS) touched(value string, a answer, err error) error {
	d.entry = entry{}
	if err == nil {
		d.entry = entry{value, a.Node.ModifiedIndex}
	}
	return err
}
