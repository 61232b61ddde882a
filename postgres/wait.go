package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
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

// AwaitPrimary returns when the server is out of recovery.
func (s *Server) AwaitPrimary(ctx context.Context) error {
	for {
		pm, err := s.running()
		if err != nil || pm == nil {
			return fmt.Errorf("postgres: wait for the end of recovery: the server doesn't run: %w", errors.Join(err, context.Cause(ctx)))
		}
		if recovery, err := s.inRecovery(ctx, pm); err == nil && !recovery {
			return nil
		}
		if err := sleep(ctx, awaitPause); err != nil {
			return fmt.Errorf("postgres: wait for the end of recovery: %w", err)
		}
	}
}

func (s *Server) inRecovery(ctx context.Context, pm *postmaster) (recovery bool, err error) {
	err = s.queryOn(ctx, &s.errands, pm, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovery)
	})
	return recovery, err
}
