package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// pg_basebackup gets two tries: a source may be restarted in between.
const (
	cloneTries = 2
	clonePause = 5 * time.Second
)

// Clone makes the data directory a copy of from, ready to start as a standby. It
// tries the configured methods in order. from may be zero for methods that can
// do without a server. progress may be nil.
//
// The directory must be empty, or marked. What a clone that didn't finish left is
// removed, if that is certainly all that is there; anything else in a marked
// directory is set aside first, and a directory with somebody's data is refused.
// From before the first byte until the last one is on disk it is marked; it stays
// so when Clone fails, is cancelled or killed.
func (s *Server) Clone(ctx context.Context, from Upstream, progress func(Progress)) error {
	if err := s.clone(ctx, from, progress); err != nil {
		return fmt.Errorf("postgres: clone %s: %w", from.Name, err)
	}
	return nil
}

func (s *Server) clone(ctx context.Context, from Upstream, progress func(Progress)) error {
	var errs []error
	for _, m := range s.cloneMethods(from) {
		err := s.cloneBy(ctx, m, from, progress)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		return errors.New("there is no server to copy, and no method that can do without one")
	}
	return errors.Join(errs...)
}

// basebackup is the method that needs no command.
const basebackup = "basebackup"

func (m Method) builtin() bool { return m.Name == basebackup && m.Command == "" }

func (s *Server) cloneMethods(from Upstream) []Method {
	methods := s.Settings().CloneMethods
	if methods == nil {
		methods = []Method{{Name: basebackup}}
	}
	if !from.IsZero() {
		return methods
	}
	var without []Method
	for _, m := range methods {
		if m.NoLeader {
			without = append(without, m)
		}
	}
	return without
}

// vacate makes room for a clone and destroys nothing. What an attempt before left
// is removed, or kept for one that goes on with it. It returns the mark that was
// there.
func (s *Server) vacate(ctx context.Context, keep bool) (before mark, err error) {
	if err := s.idle(ctx); err != nil {
		return mark{}, err
	}
	switch state, err := s.dataState(); {
	case err != nil:
		return mark{}, err
	case state == DataEmpty:
		return mark{}, nil
	case state != DataIncomplete:
		return mark{}, fmt.Errorf("the data directory %s isn't empty (%s): it must be set aside first", s.opts.DataDir, state)
	}
	if before, err = s.mark(); ignoreNotExist(err) != nil {
		return mark{}, err
	}
	held, err := s.held()
	if err != nil {
		return before, err
	}
	if len(held) == 0 {
		return before, removeSigns(s.opts.DataDir, isAnySign)
	}
	remains, err := s.remainsOf(before, held)
	switch {
	case err != nil:
		return before, err
	case !remains:
		s.log.Warn("what lies in the data directory isn't certainly what the attempt left that it is marked for: it is kept", "marked", before.work)
		if err := s.fewAside(); err != nil {
			return before, err
		}
		return before, s.setAside(ctx, false)
	case !before.ours():
		return before, s.setAside(ctx, s.opts.RemoveFailed)
	case keep && before.work != workRemove:
		return before, nil
	}
	return before, s.removeRemains(before)
}

func (s *Server) cloneBy(ctx context.Context, m Method, from Upstream, progress func(Progress)) error {
	if !m.builtin() {
		return s.cloneByCommand(ctx, m, from)
	}
	if err := checkArgs("pg_basebackup", s.Settings().CloneArgs, cloneArgsRefused); err != nil {
		return err
	}
	var err error
	for try := range cloneTries {
		if try > 0 {
			s.log.Warn("pg_basebackup failed, trying again", "error", err)
			if sleep(ctx, clonePause) != nil {
				return err
			}
		}
		a, errStart := s.startClone(ctx, workClone, from, false)
		if errStart != nil {
			return errStart
		}
		err = s.finishClone(a, s.basebackup(ctx, a, from, progress))
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// startClone empties the directory of what the last try left, unless this one goes
// on with it, and marks it for this one.
func (s *Server) startClone(ctx context.Context, work string, from Upstream, keep bool) (*attempt, error) {
	before, err := s.vacate(ctx, keep)
	if err != nil {
		return nil, err
	}
	dirs := s.elsewhere(ctx, from)
	if !keep {
		if err := s.removeOutside(before, append(dirs, before.outside...)); err != nil {
			return nil, err
		}
	}
	outside, err := emptyDirs(dirs)
	if err != nil {
		return nil, err
	}
	return s.begin(work, outside...)
}

func (s *Server) cloneByCommand(ctx context.Context, m Method, from Upstream) error {
	a, err := s.startClone(ctx, workCommand, Upstream{}, m.KeepData)
	if err != nil {
		return err
	}
	return s.finishClone(a, s.runCloneCommand(ctx, m, from))
}

// runCloneCommand runs a command of our user's that makes the data directory.
func (s *Server) runCloneCommand(ctx context.Context, m Method, from Upstream) error {
	settings := s.Settings()
	var l login
	if !from.IsZero() {
		var err error
		if l, err = s.login(forClone, settings.Replication, from.Host, from.Port, settings.database()); err != nil {
			return err
		}
	}
	args := m.Args
	if !m.NoParams {
		args = append([]string{"--scope=" + s.opts.Scope, "--role=replica", "--datadir=" + s.opts.DataDir, "--connstring=" + l.conninfo}, m.Args...)
	}
	text := m.Command
	if text == "" {
		text = m.Name
	}
	j, err := command(text, args...)
	if err == nil {
		j.env, j.secret = append(j.env, l.env...), l.secret
		err = j.run(ctx)
	}
	if err := errors.Join(err, l.close()); err != nil {
		return err
	}
	for _, need := range []string{"PG_VERSION", "global/pg_control"} {
		if _, err := os.Stat(s.dataPath(need)); err != nil {
			return fmt.Errorf("the command ended without an error, and the data directory has no %s", need)
		}
	}
	// It may not have waited for the disk, as PostgreSQL's own programs do.
	return job{path: s.program("initdb"), args: []string{"--sync-only", "--pgdata=" + s.opts.DataDir}, env: toolEnv("LC_ALL=C"), dir: "/"}.run(ctx)
}

// finishClone ends an attempt: if it has made a copy, that becomes one that can only
// be started as a standby, and the mark is taken away once all of that is on disk.
func (s *Server) finishClone(a *attempt, err error) error {
	if err == nil {
		err = s.makeStandby()
	}
	a.end()
	if err != nil {
		return err
	}
	return s.markComplete(a.outside...)
}

// makeStandby makes sure that the next start of the data directory is one as a
// standby that follows nobody until it is told whom.
func (s *Server) makeStandby() error {
	if err := s.writeSignal("standby.signal"); err != nil {
		return err
	}
	if err := removeFile(s.dataPath("recovery.signal")); err != nil {
		return err
	}
	_, err := s.cleanAutoConf()
	return err
}
