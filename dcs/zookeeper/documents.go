package zookeeper

import (
	"context"
	"fmt"

	"github.com/regent-ha/regent/dcs"
)

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (v dcs.Version, err error) {
	verb := "put " + string(w.Key)
	if err := checkCondition(w.Prev); err != nil {
		return dcs.Absent, failed(verb, err)
	}
	// Who wins a race for a key can't be told by its value: a conditional write
	// is sent once.
	send := d.once
	if w.Prev == dcs.Any {
		send = d.attempt
	}
	err = send(ctx, func(ctx context.Context, c *conn) (err error) {
		v, err = d.put(ctx, c, w)
		return err
	})
	if err != nil {
		return dcs.Absent, failed(verb, err)
	}
	return v, nil
}

// put writes one document. What it finds decides on what it asks for, so it asks
// again when that has changed meanwhile.
func (d *DCS) put(ctx context.Context, c *conn, w dcs.Write) (dcs.Version, error) {
	path := d.path(w.Key)
	for {
		if err := d.barrier(ctx, c); err != nil {
			return dcs.Absent, err
		}
		now, there, err := exists(ctx, c, path)
		if err != nil {
			return dcs.Absent, err
		}
		if !meets(now, there, w.Prev) {
			return dcs.Absent, fmt.Errorf("%s: %w", path, dcs.ErrConflict)
		}
		v, err := d.putOver(ctx, c, path, w.Value, now, there)
		switch refusal(err) {
		case 0:
			return v, err
		case codeBadVersion, codeNodeExists:
		case codeNoNode:
			if !there {
				if err := d.makeParent(ctx, c, path); err != nil {
					return dcs.Absent, err
				}
			}
		default:
			return dcs.Absent, fmt.Errorf("%s: %w", path, err)
		}
	}
}

// putOver writes if the node is as it was seen.
func (d *DCS) putOver(ctx context.Context, c *conn, path string, value []byte, now stat, there bool) (dcs.Version, error) {
	switch {
	case value == nil && !there:
		return dcs.Absent, nil
	case value == nil:
		_, err := c.ask(ctx, opDelete, remove(path, now.version).body)
		return dcs.Absent, err
	case there:
		a, err := c.ask(ctx, opSetData, set(path, value, now.version).body)
		if err != nil {
			return dcs.Absent, err
		}
		return a.stat().documentVersion(), a.err
	}
	a, err := c.ask(ctx, opCreate2, create(path, value, d.acl, 0).body)
	if err != nil {
		return dcs.Absent, err
	}
	a.text()
	return a.stat().documentVersion(), a.err
}

func exists(ctx context.Context, c *conn, path string) (s stat, there bool, err error) {
	a, err := c.ask(ctx, opExists, message{}.text(path).bool(false))
	switch {
	case refusal(err) == codeNoNode:
		return s, false, nil
	case err != nil:
		return s, false, fmt.Errorf("%s: %w", path, err)
	}
	s = a.stat()
	return s, true, a.err
}

// get reads a node; there is false if it is absent.
func get(ctx context.Context, c *conn, path string) (n node, there bool, err error) {
	a, err := c.ask(ctx, opGetData, message{}.text(path).bool(false))
	switch {
	case refusal(err) == codeNoNode:
		return n, false, nil
	case err != nil:
		return n, false, fmt.Errorf("%s: %w", path, err)
	}
	n = node{value: a.bytes(), stat: a.stat()}
	return n, true, a.err
}

// meets says whether a node is as a write expects it.
func meets(now stat, there bool, prev dcs.Version) bool {
	switch prev {
	case dcs.Any:
		return true
	case dcs.Absent:
		return !there
	}
	return there && now.documentVersion() == prev
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	_, err := d.Put(ctx, dcs.Write{Key: key, Prev: prev})
	return err
}
