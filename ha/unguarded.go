package ha

import (
	"context"
	"sync"
	"time"

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
// before wrote it down, this one does. The function that it returns ends that.
func (a *Agent) unguarded(ctx context.Context) (end func()) {
	s := a.status(ctx)
	if s.PID == 0 || s.Role == postgres.RoleReplica {
		return func() {}
	}
	now := a.clock.Now()
	fast, kill := now.Add(connectTimeout), now.Add(connectTimeout)
	if note, err := a.cfg.Notes.ReadLease(a.systemID()); err == nil {
		fast = max(note.Fast, now.Add(leastConnect))
		kill = note.Kill
	}
	kill = max(kill, fast.Add(leastStop))
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		timer := a.clock.NewTimer(fast)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
			return
		}
		a.log.Warn("the guard can't be reached, and the lease of the agent before us ends: stopping PostgreSQL")
		left := max(kill.Sub(a.clock.Now()), time.Millisecond)
		if err := a.cfg.PostgreSQL.Stop(ctx, postgres.Stop{Mode: postgres.StopFast, Escalate: left / 2, Within: left}); err != nil && ctx.Err() == nil {
			a.log.Error("PostgreSQL could not be stopped", "error", err)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}
