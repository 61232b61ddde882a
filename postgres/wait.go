package postgres

import (
	"context"
	"time"
)

// awaitPause is the time between two looks for something that is about to
// happen and that nothing announces.
const awaitPause = 3 * time.Millisecond

// sleep waits for d or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitUpTo waits for c, for d at most.
func waitUpTo(ctx context.Context, c <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
	case <-timer.C:
	case <-ctx.Done():
	}
}
