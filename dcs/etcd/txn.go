package etcd

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// transaction is one request that the server carries out as a whole, or answers
// with what otherwise asks for.
type transaction struct {
	conditions []clientv3.Cmp
	then       []clientv3.Op
	otherwise  []clientv3.Op
}

// holds demands that the lease holds the leader key in our name.
func (d *DCS) holds(id clientv3.LeaseID) []clientv3.Cmp {
	return []clientv3.Cmp{
		clientv3.Compare(clientv3.LeaseValue(d.leader), "=", id),
		clientv3.Compare(clientv3.Value(d.leader), "=", d.name),
	}
}

// heldBy says whether the leader key, as it was read, is so.
func (d *DCS) heldBy(kv *mvccpb.KeyValue, id clientv3.LeaseID) bool {
	return kv != nil && kv.Lease == int64(id) && string(kv.Value) == d.name
}

// isAt demands that a key is as a write expects it; ok is false if it expects
// nothing.
func isAt(path string, prev dcs.Version) (c clientv3.Cmp, ok bool, err error) {
	switch prev {
	case dcs.Any:
		return c, false, nil
	case dcs.Absent:
		return clientv3.Compare(clientv3.CreateRevision(path), "=", 0), true, nil
	}
	revision, err := strconv.ParseInt(string(prev), 10, 64)
	if err != nil || revision <= 0 {
		return c, false, fmt.Errorf("%q is no version that this store gave", prev)
	}
	return clientv3.Compare(clientv3.ModRevision(path), "=", revision), true, nil
}

// write adds a document under its condition, and asks for it if that fails.
func (t *transaction) write(path string, w dcs.Write) error {
	condition, ok, err := isAt(path, w.Prev)
	if err != nil {
		return fmt.Errorf("write %s: %w", w.Key, err)
	}
	if ok {
		t.conditions = append(t.conditions, condition)
	}
	if w.Value == nil {
		t.then = append(t.then, clientv3.OpDelete(path))
	} else {
		t.then = append(t.then, clientv3.OpPut(path, string(w.Value)))
	}
	t.otherwise = append(t.otherwise, clientv3.OpGet(path))
	return nil
}

// commit sends the transaction until it is answered. Tries is how often: from
// the second on it may meet its own work.
func (d *DCS) commit(ctx context.Context, t transaction) (answer *clientv3.TxnResponse, tries int, err error) {
	err = d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		tries++
		answer, err = t.send(ctx, client)
		return err
	})
	return answer, tries, err
}

func (t transaction) send(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
	return client.Txn(ctx).If(t.conditions...).Then(t.then...).Else(t.otherwise...).Commit()
}

// alsoWriting names the documents that go with what is done to the leader key.
func alsoWriting(docs []dcs.Write) string {
	var keys []string
	for _, w := range docs {
		keys = append(keys, string(w.Key))
	}
	if len(keys) == 0 {
		return ""
	}
	return " and write " + strings.Join(keys, ", ")
}

// got is the key that a response to a Get found; nil: it is absent.
func got(r *pb.ResponseOp) *mvccpb.KeyValue {
	if kvs := r.GetResponseRange().GetKvs(); len(kvs) > 0 {
		return kvs[0]
	}
	return nil
}

// alreadyWritten says whether the documents are what docs would have made them:
// a request that was sent again finds its first try's work.
func alreadyWritten(docs []dcs.Write, found []*pb.ResponseOp) bool {
	for i, w := range docs {
		kv := got(found[i])
		if (kv == nil) != (w.Value == nil) || kv != nil && !bytes.Equal(kv.Value, w.Value) {
			return false
		}
	}
	return len(docs) > 0
}

// conflict names the documents that weren't as expected.
func conflict(docs []dcs.Write, found []*pb.ResponseOp) error {
	for i, w := range docs {
		kv := got(found[i])
		switch {
		case w.Prev == dcs.Any:
		case w.Prev == dcs.Absent && kv == nil:
		case kv != nil && version(kv) == w.Prev:
		default:
			return fmt.Errorf("write %s: %w", w.Key, dcs.ErrConflict)
		}
	}
	return dcs.ErrConflict
}

func version(kv *mvccpb.KeyValue) dcs.Version {
	return dcs.Version(strconv.FormatInt(kv.ModRevision, 10))
}

// holder is whom the leader key names; nil: the key is absent.
func holder(kv *mvccpb.KeyValue) *dcs.Holder {
	if kv == nil {
		return nil
	}
	return &dcs.Holder{
		Name:    string(kv.Value),
		Grant:   grantID(clientv3.LeaseID(kv.Lease)),
		Lineage: strconv.FormatInt(kv.CreateRevision, 10),
	}
}

func refused(err error, kv *mvccpb.KeyValue) error {
	return &dcs.RefusedError{Err: err, Holder: holder(kv)}
}
