package bench

import (
	"context"
	"errors"
	"fmt"
)

// Run measures and prints the table. What went wrong in one trial is told, costs
// its figures, and is part of the error in the end.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	s := &sheet{out: o.Out}
	var failed error
	for round := 1; round <= o.Rounds && ctx.Err() == nil; round++ {
		for _, system := range o.systems() {
			name := fmt.Sprintf("round %d, %s", round, system.Name)
			if err := o.trial(ctx, s, system, round); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				fmt.Fprintf(o.Out, "%s: %v\n", name, err)
			}
		}
		if o.Floor {
			if err := o.floor(ctx, s); err != nil {
				failed = errors.Join(failed, fmt.Errorf("round %d, %s: %w", round, floorName, err))
			}
		}
	}
	o.print(s)
	return errors.Join(failed, ctx.Err())
}

// trial measures one system once: its start, every event, and in the first round
// what it costs.
func (o Options) trial(ctx context.Context, s *sheet, system system, round int) (err error) {
	load, err := loadAverage()
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "round %d of %d, %s\n", round, o.Rounds, system.Name)
	s.add(system.Name, loadRow, amount(load))
	l, counted, err := o.newLab(system)
	if err != nil {
		return err
	}
	defer counted.close()
	t := &trial{lab: l, tallies: counted, system: system, sheet: s}
	defer func() {
		kept := o.keepLogs(l, fmt.Sprintf("%s-%d", directoryName(system.Name), round))
		err = errors.Join(err, kept, l.Close())
	}()
	if err := t.measureStart(ctx); err != nil {
		return err
	}
	if err := t.lab.CreateTable(ctx); err != nil {
		return err
	}
	for _, e := range events {
		if !o.wants(e.Name) {
			continue
		}
		if err := t.measure(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if round > 1 {
		return nil
	}
	return t.costs(ctx, o)
}

// costs measures what the system takes when nothing happens, and its health checks.
func (t *trial) costs(ctx context.Context, o Options) (err error) {
	if t.leader, err = t.lab.WaitHealthy(ctx); err != nil {
		return err
	}
	if err := t.rest(ctx, settling); err != nil {
		return err
	}
	if o.Idle > 0 {
		if err := t.measureIdle(ctx, o.Idle); err != nil {
			return err
		}
	}
	if o.Checks > 0 {
		return t.measureChecks(ctx, o.Checks)
	}
	return nil
}

func (o Options) print(s *sheet) {
	var names []string
	for _, system := range o.systems() {
		names = append(names, system.Name)
	}
	var ratios []ratio
	if o.Peer != "" && len(o.Settings) > 0 {
		peer := names[len(names)-1]
		for _, name := range names[:len(o.Settings)] {
			ratios = append(ratios, ratio{name + " / patroni", name, peer})
		}
	}
	if o.Floor {
		if len(names) > 0 {
			ratios = append(ratios, ratio{names[0] + " / " + floorName, names[0], floorName})
		}
		names = append(names, floorName)
	}
	fmt.Fprintf(o.Out, "\nMedian (smallest–largest) of %d rounds; names are ttl/loop_wait/retry_timeout in seconds.\n\n", o.Rounds)
	s.print(o.Out, names, ratios)
}
