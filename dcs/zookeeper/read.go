package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/regent-ha/regent/dcs"
)

// Read implements dcs.DCS. It is linearizable, and of one moment.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	var snapshot dcs.Snapshot
	err := d.attempt(ctx, func(ctx context.Context, c *conn) error {
		snapshot = dcs.Snapshot{Sent: d.clock.Now(), Documents: map[dcs.Key]dcs.Document{}}
		if err := d.barrier(ctx, c); err != nil {
			return err
		}
		t, err := d.readTree(ctx, c)
		if err == nil {
			d.fill(&snapshot, t)
		}
		return err
	})
	if err != nil {
		return dcs.Snapshot{}, failed("read "+d.root, err)
	}
	return snapshot, nil
}

// barrier makes the server that c leads to as new as the cluster of servers is
// now. It is a transaction, which a majority must take, that changes nothing: the
// operation sync is answered by the servers' leader alone, which may have been
// deposed without knowing it.
func (d *DCS) barrier(ctx context.Context, c *conn) error {
	_, err := c.multi(ctx, check(d.root, anyVersion))
	if refusal(err) == codeNoNode {
		return nil // that is what a majority says
	}
	return err
}

// tree is what lies below the cluster's node, by path.
type tree struct {
	nodes  map[string]node
	listed map[string]stat // the nodes whose children were asked for
}

type node struct {
	value []byte
	stat
}

var errChanged = errors.New("it changes while it is read")

// readTree reads until nothing changed meanwhile: then all that was read was there
// at the moment between the first look and the second.
func (d *DCS) readTree(ctx context.Context, c *conn) (tree, error) {
	for {
		t, err := d.look(ctx, c)
		if err == nil {
			err = t.lookAgain(ctx, c)
		}
		if !errors.Is(err, errChanged) {
			return t, err
		}
		if ctx.Err() != nil {
			return t, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// look reads level by level.
func (d *DCS) look(ctx context.Context, c *conn) (tree, error) {
	t := tree{map[string]node{}, map[string]stat{}}
	for level := []string{d.root}; len(level) > 0; {
		below, err := t.list(ctx, c, level)
		if refusal(err) == codeNoNode && level[0] == d.root {
			return t, nil // there is no cluster
		}
		if err != nil {
			return t, asChanged(err)
		}
		if level, err = t.get(ctx, c, below); err != nil {
			return t, asChanged(err)
		}
	}
	return t, nil
}

// asChanged is for a node that was there a moment ago.
func asChanged(err error) error {
	if refusal(err) == codeNoNode {
		return errChanged
	}
	return err
}

// list returns the children of all parents.
func (t tree) list(ctx context.Context, c *conn, parents []string) (paths []string, err error) {
	for i, a := range inOrder(ctx, c, opGetChildren2, parents) {
		if a.err != nil {
			return nil, fmt.Errorf("%s: %w", parents[i], a.err)
		}
		names := a.texts()
		t.listed[parents[i]] = a.stat()
		if a.answer.err != nil {
			return nil, fmt.Errorf("%s: %w", parents[i], a.answer.err)
		}
		for _, name := range names {
			paths = append(paths, parents[i]+"/"+name)
		}
	}
	return paths, nil
}

// get reads all nodes and returns those that have children.
func (t tree) get(ctx context.Context, c *conn, paths []string) (parents []string, err error) {
	for i, a := range inOrder(ctx, c, opGetData, paths) {
		if a.err != nil {
			return nil, fmt.Errorf("%s: %w", paths[i], a.err)
		}
		n := node{value: a.bytes(), stat: a.stat()}
		if a.answer.err != nil {
			return nil, fmt.Errorf("%s: %w", paths[i], a.answer.err)
		}
		t.nodes[paths[i]] = n
		if n.children > 0 {
			parents = append(parents, paths[i])
		}
	}
	return parents, nil
}

// lookAgain returns errChanged unless everything is still as it was read.
func (t tree) lookAgain(ctx context.Context, c *conn) error {
	var paths []string
	for p := range t.listed {
		paths = append(paths, p)
	}
	for p := range t.nodes {
		if _, ok := t.listed[p]; !ok {
			paths = append(paths, p)
		}
	}
	for i, a := range inOrder(ctx, c, opExists, paths) {
		if a.err != nil {
			return asChanged(fmt.Errorf("%s: %w", paths[i], a.err))
		}
		now := a.stat()
		if before, ok := t.listed[paths[i]]; ok && (now.created != before.created || now.listed != before.listed) {
			return errChanged
		}
		if before, ok := t.nodes[paths[i]]; ok && (now.created != before.created || now.modified != before.modified || now.children != before.children) {
			return errChanged
		}
	}
	return nil
}

// asked is an answer, or why there is none.
type asked struct {
	*answer
	err error
}

// inOrder asks the same of all paths, in one go.
func inOrder(ctx context.Context, c *conn, op int32, paths []string) []asked {
	sent := make([]pending, len(paths))
	for i, p := range paths {
		sent[i] = c.send(ctx, op, message{}.text(p).bool(false))
	}
	answers := make([]asked, len(paths))
	for i, p := range sent {
		answers[i].answer, answers[i].err = p.wait(ctx)
	}
	return answers
}

// fill makes documents of nodes.
func (d *DCS) fill(s *dcs.Snapshot, t tree) {
	for path, n := range t.nodes {
		key := d.keyOf(path)
		switch {
		case path == d.leader:
			s.Leader = holder(n, t.nodes[d.leasePath(n.owner)])
		case strings.HasPrefix(path, d.leader+leaseSuffix):
		case len(n.value) == 0 && (n.children > 0 || key == "members" || key == "optime"):
		default:
			s.Documents[key] = dcs.Document{Value: n.value, Version: n.documentVersion()}
		}
	}
}
