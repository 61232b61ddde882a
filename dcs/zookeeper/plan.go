package zookeeper

import (
	"bytes"
	"context"
	"fmt"

	"github.com/regent-ha/regent/dcs"
)

// plan makes changes of writes, given what is there; they say so again as
// conditions. ErrConflict: a document isn't as its write expects it.
func (d *DCS) plan(ctx context.Context, c *conn, docs []dcs.Write) ([]change, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	if err := d.barrier(ctx, c); err != nil {
		return nil, err
	}
	paths := make([]string, len(docs))
	for i, w := range docs {
		paths[i] = d.path(w.Key)
	}
	var changes []change
	for i, a := range inOrder(ctx, c, opExists, paths) {
		w, there := docs[i], refusal(a.err) != codeNoNode
		var now stat
		if there {
			if a.err != nil {
				return nil, fmt.Errorf("%s: %w", paths[i], a.err)
			}
			if now = a.stat(); a.answer.err != nil {
				return nil, a.answer.err
			}
		}
		switch {
		case !meets(now, there, w.Prev):
			return nil, fmt.Errorf("write %s: %w", w.Key, dcs.ErrConflict)
		case w.Value == nil && !there:
		case w.Value == nil:
			changes = append(changes, remove(paths[i], now.version))
		case there:
			changes = append(changes, set(paths[i], w.Value, now.version))
		default:
			changes = append(changes, create(paths[i], w.Value, d.acl, 0))
		}
	}
	return changes, nil
}

// alreadyWritten says whether the documents are what docs would have made them.
func (d *DCS) alreadyWritten(ctx context.Context, c *conn, docs []dcs.Write) bool {
	for _, w := range docs {
		n, there, err := get(ctx, c, d.path(w.Key))
		if err != nil || there != (w.Value != nil) || !bytes.Equal(n.value, w.Value) {
			return false
		}
	}
	return true
}
