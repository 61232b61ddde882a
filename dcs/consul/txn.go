package consul

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// transaction is one request that the servers carry out as a whole or not at all.
type transaction struct {
	ops api.TxnOps
	// mark is in the flags of what the transaction sets. Two writes never have the
	// same: Consul leaves a key's index alone where a write changes nothing, and
	// conditions on it wouldn't notice the write.
	mark uint64
	// documents are the conditions on documents, by their place in ops.
	documents map[int]dcs.Key
}

func newTransaction() *transaction {
	return &transaction{mark: rand.Uint64(), documents: map[int]dcs.Key{}}
}

func (t *transaction) add(op api.KVTxnOp) { t.ops = append(t.ops, &api.TxnOp{KV: &op}) }

// holds demands that the session holds the leader key.
func (t *transaction) holds(leader, session string) {
	t.add(api.KVTxnOp{Verb: api.KVCheckSession, Key: leader, Session: session})
}

// write adds a document under its condition.
func (t *transaction) write(path string, w dcs.Write) error {
	switch w.Prev {
	case dcs.Any:
	case dcs.Absent:
		t.documents[len(t.ops)] = w.Key
		t.add(api.KVTxnOp{Verb: api.KVCheckNotExists, Key: path})
	default:
		index, err := strconv.ParseUint(string(w.Prev), 10, 64)
		if err != nil || index == 0 {
			return fmt.Errorf("write %s: %q is no version that this store gave", w.Key, w.Prev)
		}
		t.documents[len(t.ops)] = w.Key
		t.add(api.KVTxnOp{Verb: api.KVCheckIndex, Key: path, Index: index})
	}
	if w.Value == nil {
		t.add(api.KVTxnOp{Verb: api.KVDelete, Key: path})
	} else {
		t.add(api.KVTxnOp{Verb: api.KVSet, Key: path, Value: w.Value, Flags: t.mark})
	}
	return nil
}

// answer is what became of a transaction.
type answer struct {
	done   bool
	errors api.TxnErrors // why not
	index  map[string]uint64
	tries  int // from the second on a transaction may have met its own work
}

// failed returns why the operation at that place failed; empty: it didn't.
func (a answer) failed(place int) string {
	for _, e := range a.errors {
		if e.OpIndex == place {
			return e.What
		}
	}
	return ""
}

// says whether one of the reasons has these words.
func (a answer) says(words string) bool {
	for _, e := range a.errors {
		if strings.Contains(e.What, words) {
			return true
		}
	}
	return false
}

// What Consul says of a lock that can't be had, beside that it is held.
const (
	inLockDelay    = "due to lock delay"
	invalidSession = "invalid session"
)

// unexpected is the error for a transaction that failed for no reason that its
// sender knows.
func (a answer) unexpected() error {
	var reasons []string
	for _, e := range a.errors {
		reasons = append(reasons, e.What)
	}
	return fmt.Errorf("the transaction failed: %s", strings.Join(reasons, "; "))
}

// conflict names the document that wasn't as its write demands; nil: all were.
func (t *transaction) conflict(a answer) error {
	for place := range t.ops {
		if key, ok := t.documents[place]; ok && a.failed(place) != "" {
			return fmt.Errorf("write %s: %w", key, dcs.ErrConflict)
		}
	}
	return nil
}

// errDenied means that the token doesn't allow a part of a transaction.
var errDenied = errors.New("the token doesn't allow it")

// commit sends the transaction until it is answered.
func (d *DCS) commit(ctx context.Context, t *transaction) (a answer, err error) {
	err = d.attempt(ctx, func(ctx context.Context) error {
		a.tries++
		return d.send(ctx, t, &a)
	})
	return a, err
}

func (d *DCS) send(ctx context.Context, t *transaction, a *answer) error {
	done, body, _, err := d.client.Txn().Txn(t.ops, new(api.QueryOptions).WithContext(ctx))
	if err != nil {
		return err
	}
	a.done, a.errors, a.index = done, body.Errors, map[string]uint64{}
	for _, r := range body.Results {
		if r != nil && r.KV != nil {
			a.index[r.KV.Key] = r.KV.ModifyIndex
		}
	}
	switch {
	case done && !t.shownIn(a.index), !done && len(a.errors) == 0:
		return fmt.Errorf("the answer to the transaction makes no sense: %w", errNotConsul)
	case a.says("Permission denied"):
		return fmt.Errorf("%w: %w", a.unexpected(), errDenied)
	}
	return nil
}

// shownIn says whether an answer tells of every key that the transaction sets.
func (t *transaction) shownIn(index map[string]uint64) bool {
	for _, op := range t.ops {
		switch op.KV.Verb {
		case api.KVSet, api.KVLock:
			if index[op.KV.Key] == 0 {
				return false
			}
		}
	}
	return true
}

// holder is whom the leader key names. Nil: nobody, since it is absent or has lost
// its session.
func holder(kv *api.KVPair) *dcs.Holder {
	if kv == nil || kv.Session == "" {
		return nil
	}
	return &dcs.Holder{Name: string(kv.Value), Grant: kv.Session, Lineage: strconv.FormatUint(kv.CreateIndex, 10)}
}

// heldBy says whether the leader key, as it was read, is held by the session in
// our name.
func (d *DCS) heldBy(kv *api.KVPair, session string) bool {
	return kv != nil && session != "" && kv.Session == session && string(kv.Value) == d.name
}

func refused(err error, kv *api.KVPair) error { return &dcs.RefusedError{Err: err, Holder: holder(kv)} }

func version(index uint64) dcs.Version { return dcs.Version(strconv.FormatUint(index, 10)) }
