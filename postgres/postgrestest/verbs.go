package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// poll is how often a call that waits looks again.
const poll = 10 * time.Millisecond

// pause waits on the host's clock.
func (s *Server) pause(ctx context.Context, d time.Duration) error {
	timer := s.clock.NewTimer(s.clock.Now().Add(d))
	defer timer.Stop()
	select {
	case <-timer.C():
		return context.Cause(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// StartPrimary starts a server that may take writes.
func (s *Server) StartPrimary(ctx context.Context, p postgres.Permit) error {
	if now := s.clock.Now(); now.After(p.NotAfter) {
		return fmt.Errorf("postgrestest: start as primary: %w", postgres.ErrNotPermitted)
	}
	had, err := s.signalFile(false)
	if err != nil {
		return fmt.Errorf("postgrestest: start as primary: %w", err)
	}
	if err := s.launch(ctx, postgres.Command{Writable: true, Permit: p}); err != nil {
		if had {
			_, again := s.signalFile(true)
			err = errors.Join(err, again)
		}
		return fmt.Errorf("postgrestest: start as primary: %w", err)
	}
	return nil
}

// StartStandby starts a read-only server that follows up, if there is one.
func (s *Server) StartStandby(ctx context.Context, up postgres.Upstream) error {
	_, err := s.signalFile(true)
	if err == nil {
		s.setUpstream(up)
		err = s.launch(ctx, postgres.Command{})
	}
	if err != nil {
		return fmt.Errorf("postgrestest: start as standby: %w", err)
	}
	return nil
}

func (s *Server) launch(ctx context.Context, c postgres.Command) error {
	s.net.mu.Lock()
	l := s.launcher
	s.net.mu.Unlock()
	c.Path, c.Dir = "postgres", "/"+s.opts.Name
	_, err := l.Launch(ctx, c)
	return err
}

// signalFile makes or removes standby.signal in a directory on which nothing
// runs. It returns whether it was there.
func (s *Server) signalFile(there bool) (had bool, err error) {
	s.net.lock()
	defer s.net.mu.Unlock()
	switch {
	case s.disk.data != postgres.DataValid:
		return false, fmt.Errorf("the data directory is %s", s.disk.data)
	case s.pm != nil:
		return false, fmt.Errorf("a server runs already: process %d", s.pm.pid)
	}
	had, s.disk.standby = s.disk.standby, there
	return had, nil
}

func (s *Server) setUpstream(up postgres.Upstream) {
	s.net.lock()
	defer s.net.mu.Unlock()
	s.disk.upstream = up
}

// Recover runs crash recovery as a standby that nobody can reach and stops it.
func (s *Server) Recover(ctx context.Context) error {
	_, err := s.signalFile(true)
	if err == nil {
		err = s.launch(ctx, postgres.Command{Args: []string{aloneArgument}})
	}
	for err == nil {
		if err = s.pause(ctx, poll); err != nil {
			break
		}
		if st := s.Status(ctx); st.PID == 0 {
			err = fmt.Errorf("the server died: %s", st.Problem)
		} else if st.State == postgres.StateRunning {
			break
		}
	}
	switch {
	case errors.Is(err, ErrKilled):
		return err
	case err != nil:
		s.do(s.immediately) // nothing may be left running
		return fmt.Errorf("postgrestest: crash recovery: %w", err)
	}
	if err := s.Stop(ctx, postgres.Stop{Mode: postgres.StopFast}); err != nil {
		return fmt.Errorf("postgrestest: crash recovery: %w", err)
	}
	return nil
}

// Stop ends with no process left.
func (s *Server) Stop(ctx context.Context, how postgres.Stop) error {
	if how.Mode == postgres.StopImmediate {
		s.do(s.immediately)
	} else {
		s.do(s.interrupt)
	}
	patience := how.Escalate
	if patience == 0 {
		patience = time.Minute
	}
	harder, last := s.clock.Now().Add(patience), s.clock.Now().Add(how.Within)
	for {
		s.net.lock()
		gone := s.pm == nil
		s.net.mu.Unlock()
		if gone {
			return nil
		}
		if how.Within > 0 && !s.clock.Now().Before(last) {
			s.Kill()
			return nil
		}
		if !s.clock.Now().Before(harder) {
			if how.Mode == postgres.StopImmediate {
				s.Kill()
				return nil
			}
			how.Mode = postgres.StopImmediate
			harder = s.clock.Now().Add(time.Second)
			s.do(s.immediately)
		}
		if err := s.pause(ctx, poll); err != nil {
			return fmt.Errorf("postgrestest: stop: %w", err)
		}
	}
}

func (s *Server) do(what func()) {
	s.net.lock()
	defer s.net.mu.Unlock()
	what()
}

// PrePromote has nothing to run.
func (s *Server) PrePromote(context.Context) error { return nil }

// Promote ends recovery: what was received is replayed, then a new timeline
// begins. It does nothing after notAfter.
func (s *Server) Promote(_ context.Context, notAfter clock.Instant) error {
	s.net.lock()
	defer s.net.mu.Unlock()
	pm := s.pm
	switch now := s.clock.Now(); {
	case pm == nil:
		return errors.New("postgrestest: promote: the server doesn't run")
	case now.After(notAfter):
		return fmt.Errorf("postgrestest: promote: it is %v too late", now.Sub(notAfter))
	case pm.phase == stopping:
		return errors.New("postgrestest: promote: the server is shutting down")
	case !pm.recovery || pm.promoting:
		return nil
	}
	pm.promoting, pm.receiver = true, nil
	s.later(pm, s.speed.Promotion+s.replayDelay, s.promoted)
	return nil
}

// Promoting says whether a promotion of the standby that runs is under way.
func (s *Server) Promoting(context.Context) (bool, error) {
	if err := s.answering("promoting"); err != nil {
		return false, err
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	return s.pm != nil && (s.pm.promoting || !s.pm.recovery), nil
}

// Follow makes a standby follow up. It restarts one that a Recover left behind
// whose caller was killed: no reload makes that follow anybody.
func (s *Server) Follow(ctx context.Context, up postgres.Upstream) (restarted bool, err error) {
	s.net.lock()
	if s.pm == nil || !s.pm.recovery {
		s.net.mu.Unlock()
		return false, errors.New("postgrestest: follow: no standby runs")
	}
	if alone := s.pm.alone; !alone {
		s.disk.upstream = up
		s.pm.receiver = nil
		s.connect()
		s.net.mu.Unlock()
		return false, nil
	}
	s.net.mu.Unlock()
	if err := s.Stop(ctx, postgres.Stop{Mode: postgres.StopFast}); err != nil {
		return true, err
	}
	return true, s.StartStandby(ctx, up)
}

// Nudge makes a standby without a WAL receiver try again at once.
func (s *Server) Nudge(context.Context) error {
	s.net.lock()
	defer s.net.mu.Unlock()
	if s.pm == nil || !s.pm.recovery {
		return errors.New("postgrestest: nudge: no standby runs")
	}
	s.connect()
	return nil
}

// Checkpoint does one, on a server that answers.
func (s *Server) Checkpoint(context.Context) error { return s.answering("checkpoint") }

// Reload is accepted by a server that answers.
func (s *Server) Reload(context.Context) error { return s.answering("reload") }

// PostBootstrap makes the roles of a new cluster.
func (s *Server) PostBootstrap(ctx context.Context) error {
	if err := s.pause(ctx, s.speed.Start); err != nil {
		return fmt.Errorf("postgrestest: post_bootstrap: %w", err)
	}
	return s.answering("post_bootstrap")
}

func (s *Server) answering(verb string) error {
	s.net.lock()
	defer s.net.mu.Unlock()
	if s.pm == nil || s.pm.phase != running || s.pm.hung {
		return fmt.Errorf("postgrestest: %s: the server doesn't answer", verb)
	}
	return nil
}

// SyncSlots makes the physical slots those wanted, and drops those in gone.
func (s *Server) SyncSlots(_ context.Context, wanted []postgres.WantedSlot, gone []string) error {
	if err := s.answering("slots"); err != nil {
		return err
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	if s.disk.slots == nil {
		s.disk.slots = map[string]postgres.LSN{}
	}
	for _, w := range wanted {
		s.disk.slots[w.Name] = max(s.disk.slots[w.Name], w.Advance)
	}
	for _, name := range gone {
		delete(s.disk.slots, name)
	}
	return nil
}
