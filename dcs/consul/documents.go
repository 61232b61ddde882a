package consul

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// Read implements dcs.DCS. It is linearizable, and of one moment.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	verb := "read " + d.prefix
	snapshot := dcs.Snapshot{Documents: map[dcs.Key]dcs.Document{}}
	var pairs api.KVPairs
	var policy string
	err := d.attempt(ctx, func(ctx context.Context) error {
		snapshot.Sent = d.clock.Now()
		found, meta, err := d.client.KV().List(d.prefix, reading(ctx))
		switch {
		case err != nil:
			return err
		case meta.ResultsFilteredByACLs:
			return fmt.Errorf("not all keys below it may be read: %w", errDenied)
		}
		pairs, policy = found, meta.DefaultACLPolicy
		return nil
	})
	if err == nil && d.options.Token == "" && policy == "deny" {
		err = d.probe(ctx, pairs)
	}
	if err != nil {
		return dcs.Snapshot{}, failed(verb, err)
	}
	var entry *api.KVPair
	for _, kv := range pairs {
		switch key := strings.TrimPrefix(kv.Key, d.prefix); {
		case kv.Key == d.leader:
			snapshot.Leader = holder(kv)
		case key == "" || strings.HasSuffix(key, "/"): // a folder that was made in Consul's web page
		default:
			if dcs.Key(key) == dcs.MemberKey(d.name) {
				entry = kv
			}
			snapshot.Documents[dcs.Key(key)] = dcs.Document{Value: append([]byte{}, kv.Value...), Version: version(kv.ModifyIndex)}
		}
	}
	d.sawEntry(snapshot.Sent, entry)
	return snapshot, nil
}

// probe asks for every document that wasn't among those that were read. Whoever has
// no token isn't told that something was kept from him, but is refused a key that
// he asks for by name.
func (d *DCS) probe(ctx context.Context, found api.KVPairs) error {
	for _, key := range []dcs.Key{dcs.LeaderKey, dcs.InitializeKey, dcs.ConfigKey, dcs.SyncKey, dcs.HistoryKey,
		dcs.StatusKey, dcs.FailoverKey, dcs.FailsafeKey, dcs.MemberKey("")} {
		path := d.prefix + string(key)
		if slices.ContainsFunc(found, func(kv *api.KVPair) bool { return kv.Key == path }) {
			continue
		}
		if _, err := d.get(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// get reads one key, linearizably; nil: it is absent.
func (d *DCS) get(ctx context.Context, path string) (kv *api.KVPair, err error) {
	err = d.attempt(ctx, func(ctx context.Context) (err error) {
		kv, _, err = d.client.KV().Get(path, reading(ctx))
		return err
	})
	if err != nil {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return kv, err
}

var errUnclear = errors.New("it was sent more than once, and whether it was written before another write isn't known")

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	verb := "put " + string(w.Key)
	if w.Value == nil {
		verb = "delete " + string(w.Key)
	}
	v, err := d.put(ctx, w)
	if err != nil {
		return dcs.Absent, failed(verb, err)
	}
	return v, nil
}

func (d *DCS) put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	path, t := d.prefix+string(w.Key), newTransaction()
	if err := t.write(path, w); err != nil {
		return dcs.Absent, err
	}
	a, err := d.commit(ctx, t)
	switch {
	case err != nil:
		return dcs.Absent, err
	case a.done && w.Value == nil:
		return dcs.Absent, nil
	case a.done:
		return version(a.index[path]), nil
	}
	conflict := t.conflict(a)
	switch {
	case conflict == nil:
		return dcs.Absent, a.unexpected()
	case a.tries == 1:
		return dcs.Absent, dcs.ErrConflict
	}
	kv, err := d.get(ctx, path)
	switch {
	case err != nil:
		return dcs.Absent, err
	case w.Value != nil && kv != nil && kv.Flags == t.mark:
		return version(kv.ModifyIndex), nil
	}
	return dcs.Absent, errUnclear
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	_, err := d.Put(ctx, dcs.Write{Key: key, Prev: prev})
	return err
}

// RemoveCluster implements dcs.DCS.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	err := d.attempt(ctx, func(ctx context.Context) error {
		_, err := d.client.KV().DeleteTree(d.prefix, writing(ctx))
		return err
	})
	if err != nil {
		return failed("remove "+d.prefix, err)
	}
	return nil
}
