package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// pg_basebackup gets two tries: a source may be restarted in between.
const (
	cloneTries = 2
	clonePause = 5 * time.Second
)

// stagingPrefix begins the name of the folder inside the data directory that
// pg_basebackup writes to.
const stagingPrefix = "clone-"

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
	methods := s.current().CloneMethods
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
	if err := checkArgs("pg_basebackup", s.current().CloneArgs, cloneArgsRefused); err != nil {
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
	return os.MkdirAll(s.opts.DataDir, 0o700)
}

// emptyOutside lists the directories elsewhere that pg_basebackup will fill and
// that are empty now: what a failed try leaves there is ours to remove, and
// pg_basebackup itself doesn't.
func (s *Server) emptyOutside(ctx context.Context, from Upstream) ([]string, error) {
	settings := s.current()
	var dirs []string
	for _, arg := range settings.CloneArgs {
		if dir, ok := strings.CutPrefix(arg, "--waldir="); ok {
			dirs = append(dirs, dir)
		}
	}
	if !from.IsZero() {
		spaces, err := tablespaces(ctx, settings, from)
		if err != nil {
			s.log.Warn("the source's tablespaces can't be listed: what a failed clone leaves there has to be removed by hand", "error", err)
		}
		for _, dir := range spaces {
			dirs = append(dirs, mapped(dir, settings.CloneArgs))
		}
	}
	var empty []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if filepath.IsAbs(dir) && len(entries) == 0 {
			empty = append(empty, dir)
		}
	}
	return empty, nil
}

func tablespaces(ctx context.Context, settings Settings, from Upstream) ([]string, error) {
	config, err := settings.connConfig(settings.rewindCredentials(), from.Host, from.Port, nil)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%'")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// mapped is where pg_basebackup puts the tablespace of dir.
func mapped(dir string, args []string) string {
	for _, arg := range args {
		if to, ok := strings.CutPrefix(arg, "--tablespace-mapping="+strings.ReplaceAll(dir, "=", `\=`)+"="); ok {
			return strings.ReplaceAll(to, `\=`, "=")
		}
	}
	return dir
}

// basebackup runs pg_basebackup into a new folder inside the data directory and
// moves what it made up from there: the directory itself may be a mount point,
// with files that pg_basebackup doesn't tolerate.
func (s *Server) basebackup(ctx context.Context, from Upstream, progress func(Progress)) error {
	settings := s.current()
	slot, err := s.cloneSlot(ctx, settings, from)
	if err != nil {
		return err
	}
	staging, err := os.MkdirTemp(s.opts.DataDir, stagingPrefix)
	if err != nil {
		return err
	}
	l, err := s.login(forClone, settings.Replication, from.Host, from.Port, settings.database())
	if err != nil {
		return err
	}
	args := []string{"--pgdata=" + staging, "--wal-method=stream", "--checkpoint=fast", "--progress", "--no-password", "--dbname=" + l.conninfo}
	if slot != "" {
		args = append(args, "--slot="+slot)
	}
	j := job{
		path: s.program("pg_basebackup"), args: append(args, settings.CloneArgs...), dir: "/",
		env: toolEnv(append(l.env, "LC_ALL=C")...), secret: l.secret,
		line: func(line string) {
			if p, ok := parseProgress(line); ok && progress != nil {
				progress(p)
			}
		},
	}
	if err := errors.Join(j.run(ctx), l.close()); err != nil {
		return err
	}
	return s.moveUp(staging)
}

// cloneSlot makes sure of the slot that keeps the WAL from the backup on until
// the standby streams; pg_basebackup would use a temporary one, which leaves a gap.
func (s *Server) cloneSlot(ctx context.Context, settings Settings, from Upstream) (string, error) {
	if !settings.UseSlots || from.Slot == "" || hasArg(settings.CloneArgs, "no-slot", "slot", "create-slot") {
		return "", nil
	}
	r, err := dialReplication(ctx, settings, settings.Replication, from.Host, from.Port)
	if err != nil {
		return "", err
	}
	defer r.close(ctx)
	if err := r.createSlot(ctx, from.Slot); err != nil {
		return "", fmt.Errorf("create slot %q there: %w", from.Slot, err)
	}
	return from.Slot, nil
}

// moveUp moves all that staging has into the data directory, and gives that the
// mode that pg_basebackup found at the source.
func (s *Server) moveUp(staging string) error {
	entries, err := os.ReadDir(staging)
	if err != nil {
		return err
	}
	for _, e := range entries {
		to := s.dataPath(e.Name())
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s is in the way of what was copied", to)
		}
		if err := os.Rename(filepath.Join(staging, e.Name()), to); err != nil {
			return err
		}
	}
	if err := os.Remove(staging); err != nil {
		return err
	}
	global, err := os.Stat(s.dataPath("global"))
	if err != nil {
		return err
	}
	return os.Chmod(s.opts.DataDir, global.Mode().Perm())
}

// cloneByCommand runs a command of our user's that makes the data directory.
func (s *Server) cloneByCommand(ctx context.Context, m Method, from Upstream) error {
	settings := s.current()
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

// progressLine is what pg_basebackup and pg_rewind print with --progress:
//
//	23134/23134 kB (100%), 1/1 tablespace
//	 1234/56789 kB (2%) copied
var progressLine = regexp.MustCompile(`^\s*([0-9]+)/([0-9]+) kB \([0-9]+%\)`)

func parseProgress(line string) (Progress, bool) {
	m := progressLine.FindStringSubmatch(line)
	if m == nil {
		return Progress{}, false
	}
	done, errDone := strconv.ParseInt(m[1], 10, 64)
	total, errTotal := strconv.ParseInt(m[2], 10, 64)
	if errDone != nil || errTotal != nil {
		return Progress{}, false
	}
	return Progress{Done: done << 10, Total: total << 10}, true
}
