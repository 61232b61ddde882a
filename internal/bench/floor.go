package bench

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// floor measures the steps without which no agent can do, one after the other
// and without looking left or right: on databases that nobody uses.
func (o Options) floor(ctx context.Context, s *sheet) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "regent-floor-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	primary, first, second := newBare(o.PostgresBin, dir, "a"), newBare(o.PostgresBin, dir, "b"), newBare(o.PostgresBin, dir, "c")
	for _, b := range []*bare{primary, first, second} {
		defer b.close()
	}
	step := func(name string, do func() error) {
		if err == nil {
			began := time.Now()
			if err = do(); err == nil {
				s.add(floorName, name, seconds(time.Since(began)))
			}
		}
	}
	step(startEvent+": one primary, two streaming", func() error { return fromNothing(ctx, primary, first, second) })
	step("postmaster-killed: no writes", func() error {
		primary.kill()
		return primary.serve(ctx, true)
	})
	step("restart: no writes", func() error {
		if err := primary.stop(); err != nil {
			return err
		}
		return primary.serve(ctx, true)
	})
	if err == nil {
		err = awaitStreaming(ctx, primary, 2)
	}
	if err == nil {
		err = primary.exec(ctx, "checkpoint")
	}
	step("switchover: no writes", func() error {
		if err := primary.stop(); err != nil {
			return err
		}
		return first.promote(ctx)
	})
	return err
}

// fromNothing makes a primary and two standbys.
func fromNothing(ctx context.Context, primary *bare, standbys ...*bare) error {
	if err := primary.initialize(ctx); err != nil {
		return err
	}
	if err := primary.serve(ctx, true); err != nil {
		return err
	}
	failed := make([]error, len(standbys))
	var group sync.WaitGroup
	for i, b := range standbys {
		group.Go(func() { failed[i] = b.copy(ctx, primary) })
	}
	group.Wait()
	for i, b := range standbys {
		if failed[i] != nil {
			return failed[i]
		}
		if err := b.launch(); err != nil {
			return err
		}
	}
	for _, b := range standbys {
		if err := b.serve(ctx, false); err != nil {
			return err
		}
	}
	return awaitStreaming(ctx, primary, len(standbys))
}

func awaitStreaming(ctx context.Context, primary *bare, standbys int) error {
	return until(ctx, "standbys to stream", func() error {
		var n int
		err := primary.query(ctx, "select count(*) from pg_stat_replication where state = 'streaming'", &n)
		if err == nil && n < standbys {
			err = fmt.Errorf("%d do", n)
		}
		return err
	})
}
