package ha

import (
	"context"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

const (
	// leastConnect is what connecting the guard may take before anything follows from
	// it: one that lives answers in milliseconds.
	leastConnect = 500 * time.Millisecond
	// leastStop is what a fast shutdown gets that is late already.
	leastStop = 500 * time.Millisecond
)

// unguarded looks after a primary that runs while its new agent connects the guard,
// which may be frozen: at the instant at which the guard would stop it, as the agent
// before wrote it down, this one does. It works beside the connecting; the function
// that it returns ends it.
func (a *Agent) unguarded(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		fast, kill, runs := a.leftBehind(ctx)
		if !runs {
			return
		}
		timer := a.clock.NewTimer(fast)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
			return
		}
		a.log.Warn("the guard can't be reached, and the lease of the agent before us ends: stopping PostgreSQL")
		if err := a.stopBy(ctx, kill); err != nil && ctx.Err() == nil {
			a.log.Error("PostgreSQL could not be stopped", "error", err)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// leftBehind says whether a server runs that may take writes, or may begin to under
// the lease of the agent before us, and when it must be asked to stop and be gone.
func (a *Agent) leftBehind(ctx context.Context) (fast, kill clock.Instant, runs bool) {
	s := a.status(ctx)
	now := a.clock.Now()
	note, err := a.cfg.Notes.ReadLease(a.systemID())
	promoting := err == nil && note.Writable && now.Before(note.Kill)
	if s.PID == 0 || s.Role == postgres.RoleReplica && !promoting {
		return 0, 0, false
	}
	fast = now.Add(connectTimeout)
	if err == nil {
		fast = max(note.Fast, now.Add(leastConnect))
	}
	return fast, max(note.Kill, fast.Add(leastStop)), true
}
