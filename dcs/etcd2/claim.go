package etcd2

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/regent-ha/regent/dcs"
)

// The keys have no transactions. What keeps a former leader from writing is the
// index of each document: a leader writes at an index that it knew before its
// grant was confirmed, and whoever succeeds it moves the index of every document
// before he leads. So what was prepared before that conflicts, however late it
// arrives. A document that doesn't exist has no index to move; it gets one first,
// as a placeholder.

// leaderOnly are the documents that no other than the leader writes.
var leaderOnly = []dcs.Key{dcs.StatusKey, dcs.HistoryKey, dcs.SyncKey, dcs.FailsafeKey, dcs.OptimeKey}

const (
	// placeholder is the value of a document that is about to be created. To all
	// readers it is what an absent one is.
	placeholder = "null"
	// placeholderTTL ends one whose creator stopped half-way.
	placeholderTTL = "60"
)

// isPlaceholder says so of a key: documents have no TTL.
func isPlaceholder(n *node) bool { return n.Value == placeholder && n.Expiration != nil }

// claim writes the documents again as they are, and returns their indices.
func (d *DCS) claim(ctx context.Context) (map[dcs.Key]uint64, error) {
	t, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	indices := map[dcs.Key]uint64{}
	for _, key := range leaderOnly {
		index, err := d.claimOne(ctx, key, t.documents[key])
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", key, err)
		}
		if index != 0 {
			indices[key] = index
		}
	}
	return indices, nil
}

// claimOne moves the index of a document, which was read as n; nil: it is absent.
func (d *DCS) claimOne(ctx context.Context, key dcs.Key, n *node) (index uint64, err error) {
	const tries = 5 // former leaders' last writes
	for range tries {
		if n == nil {
			return 0, nil
		}
		if isPlaceholder(n) {
			_, err = d.attempt(ctx, d.deletion(d.key(key), n.ModifiedIndex, false))
			if err == nil || isAbsent(err) {
				return 0, nil
			}
		} else {
			a, err := d.swap(ctx, key, n.ModifiedIndex, []byte(n.Value))
			if err == nil {
				return a.Node.ModifiedIndex, nil
			}
			if !isMoved(err) {
				return 0, err
			}
		}
		if err != nil && !isMoved(err) {
			return 0, err
		}
		if n, err = d.look(ctx, d.key(key)); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("it was changed by others, %d times in a row", tries)
}

// swap writes a document that is still at that index.
func (d *DCS) swap(ctx context.Context, key dcs.Key, index uint64, value []byte) (answer, error) {
	return d.attempt(ctx, request{method: http.MethodPut, key: d.key(key), form: url.Values{
		"value": {string(value)}, "prevIndex": {strconv.FormatUint(index, 10)},
	}})
}
