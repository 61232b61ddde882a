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
