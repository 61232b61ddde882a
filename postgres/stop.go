package postgres

import (
	"context"
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
		if err := s.beforeStop(ctx, settings.BeforeStop, how.Within/4); err != nil {
			s.log.Warn("before_stop failed, the stop goes on", "error", oneLine(err))
		}
	}
	s.closeSession(ctx)
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

// beforeStop runs what is configured, for no longer than limit; 0: as long as it takes.
func (s *Server) beforeStop(ctx context.Context, configured string, limit time.Duration) error {
	j, err := command(configured)
	if err != nil {
		return err
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return j.run(ctx)
}

func (s Settings) ctlTimeout() time.Duration {
	if s.CtlTimeout > 0 {
		return s.CtlTimeout
	}
	return time.Minute
}
