package zookeeper

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// RemoveCluster implements dcs.DCS. It removes what it finds from the leaves up,
// and again what came meanwhile.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	err := d.attempt(ctx, func(ctx context.Context, c *conn) error {
		for {
			t, err := d.look(ctx, c)
			if err == nil {
				err = d.removeTree(ctx, c, t)
			}
			if err != errChanged {
				return err
			}
		}
	})
	if err != nil {
		return failed("remove "+d.root, err)
	}
	return nil
}

// removeTree removes all nodes of t and the cluster's own. errChanged: there are
// others.
func (d *DCS) removeTree(ctx context.Context, c *conn, t tree) error {
	paths := []string{d.root}
	for p := range t.nodes {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	sent := make([]pending, len(paths))
	for i, p := range paths {
		sent[i] = c.send(ctx, opDelete, remove(p, anyVersion).body)
	}
	var result error
	for i, p := range sent {
		switch _, err := p.wait(ctx); refusal(err) {
		case codeNoNode:
		case codeNotEmpty:
			result = errChanged
		default:
			if err != nil {
				return fmt.Errorf("%s: %w", paths[i], err)
			}
		}
	}
	return result
}

func (d *DCS) removeIfThere(ctx context.Context, c *conn, path string) error {
	_, err := c.ask(ctx, opDelete, remove(path, anyVersion).body)
	if err != nil && refusal(err) != codeNoNode {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
