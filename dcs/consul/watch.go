package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
)

// longestQuery bounds how long a question about changes stays unanswered where
// there are none. An answer is a sign of life.
const longestQuery = 5 * time.Second

// retryDelayed is about how long after an attempt that met a lock delay a hint
// says to try again: nothing in the store changes when the delay ends.
const retryDelayed = 500 * time.Millisecond

// Watch implements dcs.DCS. Its goroutine ends with ctx.
//
// It asks for the keys again and again, each time from the index of the answer
// before, and Consul answers when there is another. An index that falls, as after
// a restore, is another one too.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	go func() {
		defer close(hints)
		d.watch(ctx, hints)
	}()
	return hints
}

func (d *DCS) watch(ctx context.Context, hints chan<- struct{}) {
	const shortest = 50 * time.Millisecond
	var index uint64 // 0: answered at once
	pause, broken := shortest, false
	for {
		asked := d.clock.Now()
		next, err := d.changed(ctx, index)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !broken {
				d.log.Warn("the watch on the store broke", "error", err)
			}
			index, broken = 0, true
			d.silence.Broken()
			if !sleep(ctx, pause) {
				return
			}
			pause = min(2*pause, longestPause)
			continue
		case broken:
			d.log.Info("watching the store again")
		}
		pause, broken = shortest, false
		if next == index {
			if d.options.Watching != Stale {
				d.silence.Proven(asked)
			}
			if !d.delayed.CompareAndSwap(true, false) {
				continue
			}
		} else {
			d.silence.News(d.clock.Now())
		}
		index = next
		select {
		case hints <- struct{}{}:
		default: // merges with the hint that nobody took yet
		}
		if !sleep(ctx, shortest/5) { // a busy store is asked less often
			return
		}
	}
}

// changed returns the index of the cluster's keys once it isn't the given one any
// more, or after a while.
func (d *DCS) changed(ctx context.Context, index uint64) (uint64, error) {
	longest := min(max(d.options.TTL/6, 500*time.Millisecond), longestQuery)
	if d.delayed.Load() {
		longest = retryDelayed
	}
	// Consul adds up to a sixteenth.
	ctx, cancel := context.WithTimeout(ctx, longest+longest/16+d.options.AttemptTimeout)
	defer cancel()
	var meta *api.QueryMeta
	err := d.once(ctx, func(ctx context.Context) (err error) {
		q := &api.QueryOptions{
			WaitIndex: index, WaitTime: longest,
			AllowStale: d.options.Watching == Stale, RequireConsistent: d.options.Watching == Consistent,
		}
		_, meta, err = d.client.KV().Keys(d.prefix, "", q.WithContext(ctx))
		return err
	})
	if err != nil {
		return 0, failed("watch "+d.prefix, err)
	}
	return meta.LastIndex, nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
