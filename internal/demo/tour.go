package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// stepTimeout bounds each step of the tour; all are far quicker.
const stepTimeout = 90 * time.Second

// tour breaks the cluster in one way after the other.
type tour struct {
	lab     *lab.Lab
	client  *lab.Writer
	writers []*lab.Writer // client and probes
	leader  *lab.Node
	lost    map[lost]bool // rows that an earlier step has reported
	print   func(result)
}

type lost struct {
	writer string
	id     int64
}

// step is one thing that happens to the cluster, and what is promised then.
type step struct {
	name string
	// do breaks something and returns when the cluster is itself again.
	do func(context.Context, *tour) error
	// within is the longest gap in writes that passes, loosely bounded: the tour
	// runs on any machine.
	within time.Duration
	// mayLose: the host was lost in asynchronous mode.
	mayLose bool
}

// result is one line of the report.
type result struct {
	step     step
	took     time.Duration
	gap      time.Duration // longest between two acknowledged writes
	acked    int
	lost     int
	two      time.Duration // two servers acknowledged writes
	overlaps []lab.Overlap
	leader   string // at the end
	err      error
}

// broken says what is not as promised.
func (r result) broken() []string {
	var out []string
	if r.err != nil {
		out = append(out, r.err.Error())
	}
	if r.two > 0 || len(r.overlaps) > 0 {
		out = append(out, fmt.Sprintf("two primaries took writes for %v, first %+v", r.two, r.overlaps[0]))
	}
	if r.lost > 0 && !r.step.mayLose {
		out = append(out, fmt.Sprintf("%d acknowledged rows are lost", r.lost))
	}
	if r.gap > r.step.within {
		out = append(out, fmt.Sprintf("no writes for %v, at most %v are expected", r.gap, r.step.within))
	}
	return out
}

// steps are those of a cluster with this lease. Bounds are loose: a loaded
// machine must pass; what is measured stands in the report.
func steps(ttl time.Duration) []step {
	const quick, slack = 5 * time.Second, 5 * time.Second
	return []step{
		{name: "primary's PostgreSQL killed", within: quick, do: killPostgres},
		{name: "primary's agent killed", within: ttl + slack, do: killAgent},
		{name: "primary's agent frozen", within: ttl + slack, do: freezeAgent},
		{name: "primary's host lost", within: ttl + slack, do: loseHost, mayLose: true},
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

// replaced waits until another node leads and the client has written there.
func (t *tour) replaced(ctx context.Context) error {
	return lab.Until(ctx, "another leader than "+t.leader.Name, func(ctx context.Context) error {
		n, err := t.lab.Leader(ctx)
		switch {
		case err != nil:
			return err
		case n == t.leader:
			return fmt.Errorf("%s leads", n.Name)
		}
		return t.writtenSince(clock.System().Now().Add(-200 * time.Millisecond))
	})
}

// written waits until a write that was sent from now on was acknowledged.
func (t *tour) written(ctx context.Context) error {
	from := clock.System().Now()
	return lab.Until(ctx, "an acknowledged write", func(context.Context) error { return t.writtenSince(from) })
}

func (t *tour) writtenSince(from clock.Instant) error {
	writes := t.client.Writes()
	if n := len(writes); n > 0 && writes[n-1].Acked && writes[n-1].Sent > from {
		return nil
	}
	return fmt.Errorf("the client: %w", t.client.LastError())
}

// run takes one step and measures.
func (t *tour) run(ctx context.Context, s step) (r result) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	r.step = s
	start := clock.System().Now()
	if r.err = s.do(ctx, t); r.err == nil {
		t.leader, r.err = t.lab.WaitHealthy(ctx)
	}
	end := clock.System().Now()
	r.took = end.Sub(start)
	history := lab.Recorded(t.writers...)
	r.gap = history.Of("client").LongestGap(start, end)
	r.overlaps = history.Since(start).Overlaps()
	r.two = lab.TwoPrimaries(r.overlaps)
	r.acked = history.Since(start).Acked()
	if t.leader != nil {
		r.leader = t.leader.Name
	}
	if r.err == nil {
		r.lost, r.err = t.newlyLost(ctx, history)
	}
	return r
}

// newlyLost counts acknowledged rows that are gone and that no earlier step has
// counted.
func (t *tour) newlyLost(ctx context.Context, h lab.History) (int, error) {
	all, err := t.lab.Lost(ctx, h)
	n := 0
	for _, w := range all {
		k := lost{w.Writer, w.ID}
		if !t.lost[k] {
			t.lost[k] = true
			n++
		}
	}
	return n, err
}
