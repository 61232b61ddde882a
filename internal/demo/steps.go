package demo

import (
	"context"
	"fmt"
	"time"
)

// steps are those of a cluster on whose store another may lead so long after a
// leader was lost. Bounds are loose: a loaded machine must pass; what is measured
// stands in the report.
func steps(succession time.Duration) []step {
	const quick, slack = 5 * time.Second, 5 * time.Second
	return []step{
		{name: "primary's PostgreSQL killed", within: quick, do: killPostgres},
		{name: "primary's agent killed", within: succession + slack, do: killAgent},
		{name: "primary's agent frozen", within: succession + slack, do: freezeAgent},
		{name: "primary's host lost", within: succession + slack, do: loseHost, mayLose: true},
		{name: "switchover", within: quick, do: switchover},
		{name: "store restarted", within: quick, do: restartStore},
	}
}

func killPostgres(ctx context.Context, t *tour) error {
	if err := t.leader.KillPostgres(); err != nil {
		return err
	}
	return t.written(ctx)
}

func killAgent(ctx context.Context, t *tour) error {
	t.leader.KillAgent()
	if err := t.replaced(ctx); err != nil {
		return err
	}
	return t.leader.StartAgent()
}

func freezeAgent(ctx context.Context, t *tour) error {
	t.leader.FreezeAgent()
	err := t.replaced(ctx)
	t.leader.ThawAgent()
	return err
}

func loseHost(ctx context.Context, t *tour) error {
	t.leader.KillHost()
	if err := t.replaced(ctx); err != nil {
		return err
	}
	return t.leader.StartHost()
}

func switchover(ctx context.Context, t *tour) error {
	for _, n := range t.lab.Nodes {
		if n == t.leader {
			continue
		}
		if err := t.lab.Switchover(ctx, n); err != nil {
			return err
		}
		return t.replaced(ctx)
	}
	return fmt.Errorf("nobody to switch over to")
}

func restartStore(ctx context.Context, t *tour) error {
	t.lab.Store.Kill()
	if err := t.lab.Store.Start(ctx); err != nil {
		return err
	}
	return t.written(ctx)
}
