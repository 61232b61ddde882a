package ha

import (
	"context"
	"sync"
)

// checkpoints runs the checkpoint after a promotion beside the loop and beside
// any job: nothing waits for it. Until it has ended the control file names the
// timeline before, by which pg_rewind (before PostgreSQL 16) finds no way back
// for a primary that was lost meanwhile; PostgreSQL's own takes its time, up to
// checkpoint_timeout.
type checkpoints struct {
	mu      sync.Mutex
	running bool
	group   sync.WaitGroup
}

func (c *checkpoints) start(ctx context.Context, a *Agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return
	}
	c.running = true
	c.group.Go(func() {
		err := a.cfg.PostgreSQL.Checkpoint(ctx)
		c.mu.Lock()
		c.running = false
		c.mu.Unlock()
		switch {
		case err != nil && ctx.Err() == nil:
			a.log.Warn("the checkpoint after the promotion failed", "error", err)
		case err == nil:
			a.log.Info("checkpoint after the promotion done")
		}
	})
}
