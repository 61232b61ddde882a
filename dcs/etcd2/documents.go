package etcd2

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/regent-ha/regent/dcs"
)

// Read implements dcs.DCS. It is linearizable, and of one moment.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	t, err := d.read(ctx)
	if err != nil {
		return dcs.Snapshot{}, failed("read "+d.root, err)
	}
	s := dcs.Snapshot{Sent: t.sent, Leader: d.holder(t.leader), Documents: map[dcs.Key]dcs.Document{}}
	for key, n := range t.documents {
		if !isPlaceholder(n) {
			s.Documents[key] = dcs.Document{Value: []byte(n.Value), Version: version(n)}
		}
	}
	return s, nil
}

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	if w.Value == nil {
		return dcs.Absent, d.Delete(ctx, w.Key, w.Prev)
	}
	verb := "put " + string(w.Key)
	r := request{method: http.MethodPut, key: d.key(w.Key), form: url.Values{"value": {string(w.Value)}}, once: w.Prev != dcs.Any}
	if err := r.condition(w.Prev); err != nil {
		return dcs.Absent, failed(verb, err)
	}
	if r.once {
		if err := d.reach(ctx, w.Key); err != nil {
			return dcs.Absent, failed(verb, err)
		}
	}
	a, err := d.attempt(ctx, r)
	switch {
	case w.Prev != dcs.Any && hasCode(err, codeMoved, codeAbsent, codeExists):
		return dcs.Absent, failed(verb, dcs.ErrConflict)
	case err != nil:
		return dcs.Absent, failed(verb, err)
	}
	return version(a.Node), nil
}

// reach finds a server that answers. Who wins a race for a key can't be told by its
// value: a conditional write is sent once, and had better not go to a server that
// stands still.
func (d *DCS) reach(ctx context.Context, key dcs.Key) error {
	_, err := d.look(ctx, d.key(key))
	return err
}

// condition adds to a PUT what the key must be like.
func (r *request) condition(prev dcs.Version) error {
	switch prev {
	case dcs.Any:
		return nil
	case dcs.Absent:
		r.form.Set("prevExist", "false")
		return nil
	}
	if _, ok := parseVersion(prev); !ok { // 0 would be no condition
		return fmt.Errorf("%q is no version that this store gave", prev)
	}
	r.form.Set("prevIndex", string(prev))
	return nil
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	if err := d.delete(ctx, key, prev); err != nil {
		return failed("delete "+string(key), err)
	}
	return nil
}

func (d *DCS) delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	switch prev {
	case dcs.Any:
		_, err := d.attempt(ctx, request{method: http.MethodDelete, key: d.key(key)})
		if isAbsent(err) {
			return nil
		}
		return err
	case dcs.Absent:
		n, err := d.look(ctx, d.key(key))
		if err == nil && n != nil && !isPlaceholder(n) {
			return dcs.ErrConflict
		}
		return err
	}
	index, ok := parseVersion(prev)
	if !ok {
		return fmt.Errorf("%q is no version that this store gave", prev)
	}
	if err := d.reach(ctx, key); err != nil {
		return err
	}
	_, err := d.attempt(ctx, d.deletion(d.key(key), index, true))
	if isMoved(err) {
		return dcs.ErrConflict
	}
	return err
}

// deletion of a key that is still at that index.
func (d *DCS) deletion(key string, index uint64, once bool) request {
	return request{method: http.MethodDelete, key: key, query: url.Values{"prevIndex": {strconv.FormatUint(index, 10)}}, once: once}
}

// RemoveCluster implements dcs.DCS.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	_, err := d.attempt(ctx, request{method: http.MethodDelete, key: d.root, query: url.Values{"recursive": {"true"}}})
	if err != nil && !isAbsent(err) {
		return failed("remove "+d.root, err)
	}
	return nil
}
