package etcd2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/regent-ha/regent/dcs"
)

// edit is a document that the leader writes.
type edit struct {
	dcs.Write
	index   uint64 // at which it is written; 0: the key is absent
	sent    bool   // a try may have been carried out
	written bool
}

func newEdits(docs []dcs.Write) (edits []*edit, err error) {
	for _, w := range docs {
		if _, ok := parseVersion(w.Prev); !ok && w.Prev != dcs.Any && w.Prev != dcs.Absent {
			return nil, fmt.Errorf("write %s: %q is no version that this store gave", w.Key, w.Prev)
		}
		edits = append(edits, &edit{Write: w})
	}
	return edits, nil
}

// errMoved means that documents were changed by others again and again.
var errMoved = errors.New("the documents are changed by others all the time")

const moves = 5

// update renews, and writes documents at indices that were known before.
func (d *DCS) update(ctx context.Context, grant string, docs []dcs.Write) (dcs.Lease, error) {
	edits, err := newEdits(docs)
	if err != nil {
		return dcs.Lease{}, err
	}
	for try := range moves {
		var conflicted error
		if try > 0 || !d.place(edits, d.known(grant)) {
			conflicted, _, err = d.prepareWrites(ctx, grant, edits)
			if err != nil {
				return dcs.Lease{}, err
			}
		}
		l, err := d.renew(ctx, grant)
		if err != nil {
			return dcs.Lease{}, err
		}
		if conflicted != nil {
			return l, conflicted
		}
		done, err := d.write(ctx, grant, edits)
		if done || err != nil {
			return l, err
		}
	}
	return dcs.Lease{}, errMoved
}

// place gives edits the indices that we know, if those are all that is needed to
// tell whether they conflict.
func (d *DCS) place(edits []*edit, h held) bool {
	for _, e := range edits {
		index, ok := h.documents[e.Key]
		if prev, _ := parseVersion(e.Prev); !ok || e.Prev != dcs.Any && prev != index {
			return false
		}
		e.index = index
	}
	return true
}

// prepareWrites reads the documents that are to be written and the leader key, all
// of one moment, and says whether the documents are as expected. Those that don't
// exist get a placeholder, and then the grant is to be confirmed: fresh tells so.
// The grant is lost if it doesn't hold the key.
func (d *DCS) prepareWrites(ctx context.Context, grant string, edits []*edit) (conflicted error, fresh bool, err error) {
	t, err := d.read(ctx)
	if err != nil {
		return nil, false, err
	}
	if !d.isOurs(t.leader, grant) {
		return nil, false, d.refused(dcs.ErrLost, t.leader)
	}
	h := d.known(grant)
	h.index = t.leader.ModifiedIndex
	d.setHeld(h)
	for _, e := range edits {
		if !e.look(t.documents[e.Key]) {
			return fmt.Errorf("write %s: %w", e.Key, dcs.ErrConflict), false, nil
		}
	}
	for _, e := range edits {
		if e.written || e.index != 0 || e.Value == nil {
			continue
		}
		if err := d.makePlace(ctx, e); err != nil {
			return nil, false, fmt.Errorf("write %s: %w", e.Key, err)
		}
		fresh = true
	}
	return nil, fresh, nil
}

// look takes down how the document was read; nil: it is absent. It says whether
// that is as the write expects.
func (e *edit) look(n *node) bool {
	if e.written {
		return true
	}
	e.index = 0
	if n != nil {
		e.index = n.ModifiedIndex
		if isPlaceholder(n) {
			n = nil
		}
	}
	if e.sent && (n == nil) == (e.Value == nil) && (n == nil || n.Value == string(e.Value)) {
		e.written = true // by a try whose answer didn't come
		return true
	}
	switch e.Prev {
	case dcs.Any:
		return true
	case dcs.Absent:
		return n == nil
	}
	return n != nil && version(n) == e.Prev
}

// makePlace creates the placeholder. Somebody else's is as good.
func (d *DCS) makePlace(ctx context.Context, e *edit) error {
	a, err := d.attempt(ctx, request{method: http.MethodPut, key: d.key(e.Key), form: url.Values{
		"value": {placeholder}, "prevExist": {"false"}, "ttl": {placeholderTTL},
	}})
	if hasCode(err, codeExists) {
		e.index = 0 // by a try of ours most likely: the write finds it moved
		return nil
	}
	if err == nil {
		e.index = a.Node.ModifiedIndex
	}
	return err
}

// write writes the documents at their indices. Not done: one had moved.
func (d *DCS) write(ctx context.Context, grant string, edits []*edit) (done bool, err error) {
	h := d.known(grant)
	done = true
	for _, e := range edits {
		moved, err := d.writeOne(ctx, e, h.documents)
		if err != nil {
			return false, fmt.Errorf("write %s: %w", e.Key, err)
		}
		done = done && !moved
	}
	d.setHeld(h)
	return done, nil
}

func (d *DCS) writeOne(ctx context.Context, e *edit, indices map[dcs.Key]uint64) (moved bool, err error) {
	switch {
	case e.written:
		return false, nil
	case e.index == 0:
		return e.Value != nil, nil // deleted already, or its place is to be looked at
	}
	delete(indices, e.Key)
	var a answer
	if e.Value == nil {
		a, err = d.attempt(ctx, d.deletion(d.key(e.Key), e.index, false))
	} else {
		a, err = d.swap(ctx, e.Key, e.index, e.Value)
	}
	switch {
	case isMoved(err):
		e.sent = e.sent || a.tries > 1
		return true, nil
	case err != nil:
		return false, err
	case e.Value != nil:
		indices[e.Key] = a.Node.ModifiedIndex
	}
	e.written = true
	return false, nil
}
