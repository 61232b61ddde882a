package etcd

import (
	"context"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// Read implements dcs.DCS. It is linearizable, and of one moment.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	snapshot := dcs.Snapshot{Documents: map[dcs.Key]dcs.Document{}}
	var answer *clientv3.GetResponse
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) (err error) {
		snapshot.Sent = d.clock.Now()
		answer, err = client.Get(ctx, d.prefix, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return dcs.Snapshot{}, failed("read "+d.prefix, err)
	}
	for _, kv := range answer.Kvs {
		if string(kv.Key) == d.leader {
			snapshot.Leader = holder(kv)
			continue
		}
		key := dcs.Key(strings.TrimPrefix(string(kv.Key), d.prefix))
		snapshot.Documents[key] = dcs.Document{Value: append([]byte{}, kv.Value...), Version: version(kv)}
	}
	return snapshot, nil
}

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	return d.put(ctx, "put "+string(w.Key), w)
}

func (d *DCS) put(ctx context.Context, verb string, w dcs.Write) (dcs.Version, error) {
	var t transaction
	if err := t.write(d.prefix+string(w.Key), w); err != nil {
		return dcs.Absent, failed(verb, err)
	}
	var answer *clientv3.TxnResponse
	ask := func(ctx context.Context, client *clientv3.Client) (err error) {
		answer, err = t.send(ctx, client)
		return err
	}
	// Who wins a race for a key can't be told by its value: a conditional write
	// is sent once.
	send := d.once
	if w.Prev == dcs.Any {
		send = d.attempt
	}
	switch err := send(ctx, ask); {
	case err != nil:
		return dcs.Absent, failed(verb, err)
	case !answer.Succeeded:
		return dcs.Absent, failed(verb, dcs.ErrConflict)
	case w.Value == nil:
		return dcs.Absent, nil
	}
	return dcs.Version(strconv.FormatInt(answer.Header.Revision, 10)), nil
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	_, err := d.put(ctx, "delete "+string(key), dcs.Write{Key: key, Prev: prev})
	return err
}

// RemoveCluster implements dcs.DCS.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Delete(ctx, d.prefix, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return failed("remove "+d.prefix, err)
	}
	return nil
}
