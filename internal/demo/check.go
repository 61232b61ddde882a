package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// check makes the tour and reports each step in a line.
func (d *demo) check(ctx context.Context) error {
	took, err := d.start(ctx)
	defer d.stop()
	if err != nil {
		return d.keepLogs(ctx, err)
	}
	d.printf("%s: primary and two streaming standbys after %s\n\n", d.lab.Dir, seconds(took))
	d.printf("%-30s %-8s %13s %7s %6s %14s  %s\n", "what happens", "primary", "no writes for", "acked", "lost", "two primaries", "whole again")
	t := &tour{lab: d.lab, client: d.client, writers: d.writers, lost: map[lost]bool{}}
	var broken []string
	for _, s := range steps(d.lab.Succession()) {
		if t.leader, err = d.settle(ctx, t); err != nil {
			return d.keepLogs(ctx, err)
		}
		before := t.leader.Name
		r := t.run(ctx, s)
		if ctx.Err() != nil {
			return errInterrupted
		}
		d.printf("%-30s %-8s %13s %7d %6d %14s  %s\n", s.name, before+" -> "+r.leader, seconds(r.gap), r.acked, r.lost, seconds(r.two), seconds(r.took))
		for _, b := range r.broken() {
			broken = append(broken, s.name+": "+b)
			d.printf("    BROKEN: %s\n", b)
		}
		if r.err != nil {
			break
		}
	}
	if len(broken) > 0 {
		return d.keepLogs(ctx, fmt.Errorf("%d promises broken:\n  %s", len(broken), strings.Join(broken, "\n  ")))
	}
	d.printf("\nAll as promised: never two primaries, and nothing lost but what a lost host had not replicated.\n")
	return nil
}

// settle waits until the cluster is whole and the client writes again.
func (d *demo) settle(ctx context.Context, t *tour) (leader *lab.Node, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if leader, err = d.lab.WaitHealthy(ctx); err == nil {
		err = t.written(ctx)
	}
	return leader, err
}

var errInterrupted = errors.New("interrupted")

// keepLogs leaves the directory where it is after a failure and says what to
// look at.
func (d *demo) keepLogs(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	d.lab.Keep()
	return fmt.Errorf("%w\nThe logs are %s", err, filepath.Join(d.lab.Dir, "*", "regent.log"))
}

func seconds(t time.Duration) string { return fmt.Sprintf("%.2f s", t.Seconds()) }
