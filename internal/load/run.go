package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-ha/regent/clock"
)

// run is one etcd with all clusters on it.
type run struct {
	options Options
	server  *server
	clock   clock.Clock

	measuring, writing       atomic.Bool
	renewals, touches, reads latencies
	lost                     atomic.Int64 // leases, by members that were to have them
}

// opening is how many members begin at the same time.
const opening = 32

// Phase is what was seen while one kind of load lasted.
type Phase struct {
	Name                     string
	Renewals, Touches, Reads int // that were answered
	Failed                   int // of all of them
	Lost                     int64
}

// Run measures and prints.
func Run(ctx context.Context, o Options) (phases []Phase, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, o.Etcd, o.Dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := &run{options: o, server: s, clock: clock.System()}
	living, end := context.WithCancel(ctx)
	var lives sync.WaitGroup
	defer lives.Wait()
	defer end()
	members, err := r.begin(living)
	defer func() {
		end()
		lives.Wait()
		for _, m := range members {
			m.client.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		lives.Go(func() { m.live(living) })
	}
	fmt.Fprintf(o.Out, "%d clusters of %d members, each with a connection of its own; loop_wait %v, ttl %v\n", o.Clusters, o.Members, o.LoopWait, o.TTL)
	idle, err := r.phase(ctx, "idle")
	if err != nil || !o.Writes {
		return append(phases, idle), err
	}
	r.writing.Store(true)
	busy, err := r.phase(ctx, "writes: every position changes in every cycle")
	return append(phases, idle, busy), err
}

// begin brings all members up. Their watches live as long as ctx. Those that it
// returns are to be closed, also if it failed.
func (r *run) begin(ctx context.Context) ([]*member, error) {
	began := time.Now()
	var members []*member
	for cluster := range r.options.Clusters {
		for number := range r.options.Members {
			m, err := r.open(cluster, number)
			if err != nil {
				return members, err
			}
			members = append(members, m)
		}
	}
	var failed error
	var mu sync.Mutex
	var starts sync.WaitGroup
	turns := make(chan struct{}, opening)
	for _, m := range members {
		turns <- struct{}{}
		starts.Go(func() {
			defer func() { <-turns }()
			if err := m.begin(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, fmt.Errorf("load: begin %s of cluster %d: %w", m.name, m.cluster, err))
			}
		})
	}
	starts.Wait()
	fmt.Fprintf(r.options.Out, "all members are there after %.1f s\n", time.Since(began).Seconds())
	return members, failed
}

// phase lets three cycles pass, so that what came before is over, and then measures.
func (r *run) phase(ctx context.Context, name string) (Phase, error) {
	const settling = 3
	if err := rest(ctx, settling*r.options.LoopWait); err != nil {
		return Phase{}, err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Phase{}, fmt.Errorf("load: %w", err)
	}
	before, err := r.server.count(ctx)
	if err != nil {
		return Phase{}, err
	}
	lost := r.lost.Load()
	for _, l := range []*latencies{&r.renewals, &r.touches, &r.reads} {
		l.take()
	}
	r.measuring.Store(true)
	err = rest(ctx, r.options.For)
	r.measuring.Store(false)
	if err != nil {
		return Phase{}, err
	}
	after, err := r.server.count(ctx)
	if err != nil {
		return Phase{}, err
	}
	renewals, touches, reads := r.renewals.take(), r.touches.take(), r.reads.take()
	lost = r.lost.Load() - lost
	fmt.Fprintf(r.options.Out, "\n%s, %v, load average %s\n", name, r.options.For, strings.Fields(string(load))[0])
	fmt.Fprintf(r.options.Out, "  renewals of a leader's lease: %v; leases lost: %d\n  touches: %v\n  reads of a tree: %v\n", renewals, lost, touches, reads)
	report(r.options.Out, before, after)
	return Phase{
		Name: name, Renewals: renewals.count, Touches: touches.count, Reads: reads.count,
		Failed: renewals.failed + touches.failed + reads.failed, Lost: lost,
	}, nil
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
