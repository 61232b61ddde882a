package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/lab"
)

// Bounds of one step, far more than any system takes.
const (
	startTimeout = 2 * time.Minute
	eventTimeout = 3 * time.Minute
)

// settling is how long a healthy cluster is left alone before something happens
// to it: every agent has had a cycle that had nothing to do.
const settling = 2 * time.Second

// trial is one system under measurement, in one round.
type trial struct {
	lab     *lab.Lab
	tallies tallies
	system  system
	leader  *lab.Node // as of the last look
	client  *lab.Writer
	sheet   *sheet
}

// measureStart brings the cluster up from nothing.
func (t *trial) measureStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := t.lab.Store.Start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := t.lab.Start(ctx); err != nil {
		return err
	}
	t.sheet.add(t.system.Name, startEvent+": one primary, two streaming", seconds(time.Since(began)))
	return lab.Until(ctx, "the cluster to be finished", func(ctx context.Context) error {
		c, err := t.lab.Cluster(ctx)
		if err == nil && !dcs.ValidSystemID(c.Initialize.SystemID) {
			err = errors.New("the store doesn't name it yet")
		}
		return err
	})
}

// measure lets one event happen, and returns when the cluster is healthy again.
func (t *trial) measure(ctx context.Context, e event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	if err := t.begin(ctx); err != nil {
		return err
	}
	writers := []*lab.Writer{t.client}
	if e.Probes {
		writers = append(writers, t.lab.StartProbes()...)
	}
	defer func() {
		for _, w := range writers {
			w.Stop()
		}
	}()
	if err := t.rest(ctx, settling); err != nil {
		return err
	}
	postmaster := t.leader.PostmasterPID()
	struck := clock.System().Now()
	answered := make(chan error, 1)
	go func() { answered <- e.Strike(ctx, t) }()
	defer func() {
		cancel() // a request that is still under way
		err = errors.Join(err, <-answered)
	}()
	if err := t.awaitEffect(ctx, e, postmaster, answered); err != nil {
		return err
	}
	since := struck
	if e.Undo != nil {
		if err := t.awaitWrite(ctx); err != nil {
			return err
		}
		since = clock.System().Now()
		if err := e.Undo(t); err != nil {
			return err
		}
	}
	if _, err := t.lab.WaitHealthy(ctx); err != nil {
		return err
	}
	t.sheet.add(t.system.Name, e.Name+": all streaming again", seconds(clock.System().Now().Sub(since)))
	if err := t.awaitWrite(ctx); err != nil {
		return err
	}
	return t.judge(ctx, e, struck, writers)
}

// begin waits for a healthy cluster and starts the client.
func (t *trial) begin(ctx context.Context) (err error) {
	if t.leader, err = t.lab.WaitHealthy(ctx); err != nil {
		return err
	}
	if err := t.empty(ctx); err != nil {
		return err
	}
	t.client = t.lab.StartClient()
	if err := t.awaitWrite(ctx); err != nil {
		t.client.Stop()
		return err
	}
	return nil
}

// empty removes what earlier writers wrote: every writer counts from one.
func (t *trial) empty(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, t.lab.ConnString(t.leader.SQLAddr))
	if err != nil {
		return fmt.Errorf("bench: empty the table: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "truncate "+lab.Table); err != nil {
		return fmt.Errorf("bench: empty the table: %w", err)
	}
	return nil
}

// awaitEffect waits until the event is over but for the standbys: another node
// leads, or another postmaster runs on the same one.
func (t *trial) awaitEffect(ctx context.Context, e event, postmaster int, answered chan error) error {
	return lab.Until(ctx, e.Name+" to be over", func(ctx context.Context) error {
		select {
		case err := <-answered:
			answered <- err // for whoever waits for the end
			if err != nil {
				return lab.Never(err)
			}
		default:
		}
		if e.InPlace {
			if pid := t.leader.PostmasterPID(); pid == 0 || pid == postmaster {
				return errors.New("no other postmaster runs")
			}
		}
		now, err := t.lab.Leader(ctx)
		switch {
		case err != nil:
			return err
		case !e.InPlace && now == t.leader:
			return fmt.Errorf("%s still leads", now.Name)
		}
		return nil
	})
}

// awaitWrite waits until the client has had a row acknowledged that it sent from
// now on.
func (t *trial) awaitWrite(ctx context.Context) error {
	from := clock.System().Now()
	return lab.Until(ctx, "an acknowledged write", func(context.Context) error {
		for _, w := range lab.Recorded(t.client).Since(from) {
			if w.Acked && w.Sent.After(from) {
				return nil
			}
		}
		return fmt.Errorf("none; the client's last error: %v", t.client.LastError())
	})
}

// judge ends the writers and notes what they saw since the event.
func (t *trial) judge(ctx context.Context, e event, struck clock.Instant, writers []*lab.Writer) error {
	for _, w := range writers {
		w.Stop()
	}
	seen := lab.Recorded(writers...)
	gap := lab.Recorded(t.client).LongestGap(struck, clock.System().Now())
	t.sheet.add(t.system.Name, e.Name+": no writes", seconds(gap))
	lost, err := t.lab.Lost(ctx, seen)
	if err != nil {
		return err
	}
	t.sheet.add(t.system.Name, e.Name+": acknowledged rows lost", amount(float64(len(lost))))
	if e.Probes {
		t.sheet.add(t.system.Name, e.Name+": two primaries", seconds(lab.TwoPrimaries(seen.Overlaps())))
	}
	return nil
}

// rest lets d pass.
func (t *trial) rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
