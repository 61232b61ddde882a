package lab

import (
	"context"
	"fmt"
)

// Reconfigure changes the cluster's dynamic configuration, and returns when all
// agents that run have had a cycle to take it over.
func (l *Lab) Reconfigure(ctx context.Context, changes map[string]any) error {
	c, err := l.Cluster(ctx)
	if err != nil {
		return err
	}
	if c.Config.Values == nil {
		return fmt.Errorf("lab: the cluster has no configuration yet")
	}
	merge(c.Config.Values, changes)
	_, err = l.observer.PutConfig(ctx, c.Config.Values, c.Config.Version)
	return err
}

// Setting is the value that PostgreSQL there has for a setting, as SHOW tells it.
func (n *Node) Setting(ctx context.Context, name string) (value string, err error) {
	err = n.query(ctx, "SELECT current_setting('"+name+"')", &value)
	return value, err
}
