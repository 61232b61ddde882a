package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/regent-ha/regent/clock"
)

// ErrPrePromote says that the user's pre_promote command forbade the promotion.
var ErrPrePromote = errors.New("the pre_promote command failed")

// PrePromote runs the configured pre_promote command to its end, or until ctx ends.
// An error forbids the promotion that was to follow.
func (s *Server) PrePromote(ctx context.Context) error {
	configured := s.Settings().PrePromote
	if configured == "" {
		return nil
	}
	j, err := command(configured)
	if err == nil {
		err = j.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("postgres: %w: %w", ErrPrePromote, err)
	}
	return nil
}

// Promote ends recovery. It returns when the server took the request on, and
// does nothing after notAfter. The end of recovery is seen by Status or
// AwaitPrimary. To a primary it does nothing. PrePromote comes before it, by the caller.
//
// What pg_promote(false) does is done here without a connection: the signal file
// and SIGUSR1 (PostgreSQL documentation, "Failover"). It needs no free session
// and can't hang.
func (s *Server) Promote(ctx context.Context, notAfter clock.Instant) error {
	if err := s.promote(ctx, notAfter); err != nil {
		return fmt.Errorf("postgres: promote: %w", err)
	}
	return nil
}

func (s *Server) promote(ctx context.Context, notAfter clock.Instant) error {
	pm, err := s.running()
	if err != nil {
		return err
	}
	if pm == nil {
		return errors.New("the server doesn't run")
	}
	lock, err := s.readPidFile()
	if err != nil {
		return err
	}
	switch {
	case lock.pid != pm.pid || pm.dead():
		return errors.New("the server that was to be promoted doesn't run any more")
	case lock.status == "stopping":
		return errors.New("the server is shutting down")
	}
	return s.requestPromotion(ctx, pm, notAfter)
}

// requestPromotion looks at the clock right before the effect. From the moment
// that the file is there any SIGUSR1 that the postmaster gets promotes, so it is
// the file that counts; a start removes one that was left over.
func (s *Server) requestPromotion(ctx context.Context, pm *postmaster, notAfter clock.Instant) error {
	// A server that was started by hand after a fence may run on the directory of
	// that name, which PostgreSQL can't remove at the end of recovery.
	if err := s.writeSignal("standby.signal"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if now := s.clock.Now(); now.After(notAfter) {
		return fmt.Errorf("it is %v too late", now.Sub(notAfter))
	}
	// Not through to the disk: it is a request to this postmaster, whose answer is
	// waited for.
	if err := os.WriteFile(s.dataPath("promote"), nil, s.fileMode()); err != nil {
		return err
	}
	if err := pm.signal(syscall.SIGUSR1); err != nil {
		return errors.Join(fmt.Errorf("signal the postmaster: %w", err), removeFile(s.dataPath("promote")))
	}
	s.log.Info("promotion requested", "pid", pm.pid)
	return nil
}
