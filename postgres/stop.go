package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stop ends with no process of the server left, or with an error when ctx ends
// first; then what it began goes on. A server that doesn't run is no error.
func (s *Server) Stop(ctx context.Context, how Stop) error {
	if err := s.stop(ctx, how); err != nil {
		return fmt.Errorf("postgres: stop: %w", err)
	}
	return nil
}

func (s *Server) stop(ctx context.Context, how Stop) error {
	pm, err := s.running()
	if err != nil {
		return err
	}
	if pm == nil {
		return s.endLeftovers(ctx)
	}
	began := time.Now()
	settings := s.Settings()
	if how.Checkpoint && how.Mode != StopImmediate {
		if err := s.Checkpoint(ctx); err != nil {
			s.log.Warn("no checkpoint before the stop", "error", oneLine(err))
		}
	}
	if settings.BeforeStop != "" {
		if err := s.beforeStop(ctx, settings, how); err != nil {
			s.log.Warn("before_stop failed, the stop goes on", "error", oneLine(err))
		}
	}
	s.closeSessions(ctx, how.Within/8)
	s.pmMu.Lock()
	if s.launch.of == pm {
		s.launch.stopped = true
	}
	s.pmMu.Unlock()
	if how.Mode == "" {
		how.Mode = StopFast
	}
	switch {
	case how.Escalate != 0 || how.Mode == StopSmart:
	case how.Mode == StopImmediate:
		how.Escalate = killAfter
	default:
		how.Escalate = settings.ctlTimeout()
	}
	st := &stopping{s: s, pm: pm, how: how, began: began}
	defer st.calls.Wait()
	if err := st.run(ctx); err != nil {
		return err
	}
	s.log.Info("postmaster stopped", "pid", pm.pid, "mode", st.how.Mode)
	return s.endLeftovers(ctx)
}

// beforeStop runs what is configured, for no longer than the stop leaves time for it:
// all of it is gone then. A third of that time is between SIGTERM and SIGKILL.
func (s *Server) beforeStop(ctx context.Context, settings Settings, how Stop) error {
	if how.AtOnce {
		return errors.New("it is left out: the server must not run any more")
	}
	j, err := command(settings.BeforeStop)
	if err != nil {
		return err
	}
	limit := settings.ctlTimeout()
	if how.Within > 0 {
		limit = how.Within / 4
	}
	j.patience = min(limit/3, killDelay)
	ctx, cancel := context.WithTimeoutCause(ctx, limit-j.patience, fmt.Errorf("it had %v", limit))
	defer cancel()
	return j.run(ctx)
}

func (s Settings) ctlTimeout() time.Duration {
	if s.CtlTimeout > 0 {
		return s.CtlTimeout
	}
	return time.Minute
}
