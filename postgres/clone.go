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
// The directory must be empty, or marked as the remains of a clone, which are
// removed. Remains of anything else are set aside first, and a directory with
// somebody's data is refused. From before the first byte until the last one is
// on disk it is marked; it stays so when Clone fails, is cancelled or killed.
func (s *Server) Clone(ctx context.Context, from Upstream, progress func(Progress)) error {
	if err := s.clone(ctx, from, progress); err != nil {
		return fmt.Errorf("postgres: clone %s: %w", from.Name, err)
	}
	return nil
}

func (s *Server) clone(ctx context.Context, from Upstream, progress func(Progress)) error {
	if err := s.vacate(ctx); err != nil {
		return err
	}
	var errs []error
	for _, m := range s.cloneMethods(from) {
		err := s.cloneBy(ctx, m, from, progress)
		if err == nil {
			return s.finishClone()
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

// vacate makes sure that a clone destroys nothing.
func (s *Server) vacate(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	state, err := s.dataState()
	if err != nil {
		return err
	}
	switch state {
	case DataEmpty:
		return nil
	case DataIncomplete:
		if mark, err := s.mark(); err == nil && mark.ours() {
			return nil
		}
		return s.setAside(ctx)
	}
	return fmt.Errorf("the data directory %s isn't empty (%s): it must be set aside first", s.opts.DataDir, state)
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
		if err = s.startClone(ctx, workClone, from, true); err != nil {
			return err
		}
		if err = s.basebackup(ctx, from, progress); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// startClone empties the directory of what the last try left, as the mark of
// that try says, and marks it for this one.
func (s *Server) startClone(ctx context.Context, work string, from Upstream, empty bool) error {
	if _, err := s.mark(); err == nil && empty {
		if err := s.emptyData(); err != nil {
			return err
		}
	}
	outside, err := s.emptyOutside(ctx, from)
	if err != nil {
		return err
	}
	if err := s.markIncomplete(work, outside...); err != nil {
		return err
	}
	return s.makeDataDir()
}

// cloneByCommand runs a command of our user's that makes the data directory.
func (s *Server) cloneByCommand(ctx context.Context, m Method, from Upstream) error {
	settings := s.Settings()
	if err := s.startClone(ctx, workCommand, Upstream{}, !m.KeepData); err != nil {
		return err
	}
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

// finishClone makes the copy one that can only be started as a standby, and
// takes the mark away once all of that is on disk.
func (s *Server) finishClone() error {
	if err := s.makeStandby(); err != nil {
		return err
	}
	return s.markComplete()
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
