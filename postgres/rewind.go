package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/regent-ha/regent/clock"
)

// ErrMissingWAL: a rewind needs our WAL back to the last checkpoint that both
// servers have, and some of it is gone. Only a new clone helps.
var ErrMissingWAL = errors.New("WAL that the rewind needs is neither in pg_wal nor, with a restore_command, in the archive")

// ErrRewindUseless: the servers diverged where pg_rewind doesn't look. It goes by
// the numbers and switch points of timelines alone and would do nothing, or go
// back to a place where they differ already. Only a new clone helps.
var ErrRewindUseless = errors.New("pg_rewind can't tell where the servers diverged")

// CanRewind is nil if Rewind can be tried, else why not.
func (s *Server) CanRewind(ctx context.Context) error {
	if err := s.canRewind(ctx); err != nil {
		return fmt.Errorf("postgres: a rewind is impossible: %w", err)
	}
	return nil
}

func (s *Server) canRewind(ctx context.Context) error {
	settings := s.Settings()
	if !settings.UseRewind {
		return errors.New("use_pg_rewind is off")
	}
	if err := checkArgs("pg_rewind", settings.RewindArgs, rewindArgsRefused); err != nil {
		return err
	}
	j := job{path: s.program("pg_rewind"), args: []string{"--version"}, env: toolEnv("LC_ALL=C"), dir: "/"}
	if err := j.run(ctx); err != nil {
		return err
	}
	control, err := s.control.read(ctx)
	if err != nil {
		return err
	}
	if !control.WALLogHints && !control.DataChecksums {
		return errors.New("neither wal_log_hints nor data checksums are on")
	}
	return nil
}

// Rewind makes our data directory one of up's history, up to where it can stream
// from up, and ready to start as a standby. What we had past the fork is lost to
// the server; segments that wait for the archive are archived before.
//
// The server must have been shut down in order, else ErrNeedsRecovery. pg_rewind
// is run twice, first without writing: what can fail then fails without harm.
// Where we haven't diverged nothing is rewound.
// From before the first write the directory is marked as incomplete, and stays
// so if Rewind fails, is cancelled or killed: such a directory can only be set
// aside.
func (s *Server) Rewind(ctx context.Context, up Upstream) error {
	if err := s.rewind(ctx, up); err != nil {
		return fmt.Errorf("postgres: rewind to %s: %w", up.Name, err)
	}
	return nil
}

func (s *Server) rewind(ctx context.Context, up Upstream) error {
	if err := s.rewindable(ctx); err != nil {
		return err
	}
	settings := s.Settings()
	c, err := s.compare(ctx, up)
	switch {
	case err != nil:
		return err
	case !c.Diverged:
		return s.makeStandby()
	case c.twins || c.Fork == 0 || c.ours.timeline == c.theirs.timeline:
		return fmt.Errorf("%w: %s", ErrRewindUseless, c.Reason)
	}
	if err := s.checkpointThere(ctx, settings, up); err != nil {
		return err
	}
	s.archiveReady(ctx)
	l, err := s.login(forRewind, settings.rewindCredentials(), up.Host, up.Port, settings.database())
	if err != nil {
		return err
	}
	err = s.runRewind(ctx, settings, &l)
	return errors.Join(err, l.close())
}

// rewindable looks at our own side.
func (s *Server) rewindable(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	state, err := s.dataState()
	if err != nil {
		return err
	}
	if state != DataValid {
		return fmt.Errorf("the data directory is %s", state)
	}
	if err := s.canRewind(ctx); err != nil {
		return err
	}
	control, err := s.control.read(ctx)
	if err != nil {
		return err
	}
	if !control.CleanShutdown() {
		return fmt.Errorf("%w (its control file says %q)", ErrNeedsRecovery, control.State)
	}
	return nil
}

func (s *Server) runRewind(ctx context.Context, settings Settings, l *login) error {
	major, err := s.majorVersion()
	if err != nil {
		return err
	}
	restore, err := s.restoreArgs(ctx, settings, l, major)
	if err != nil {
		return err
	}
	args := []string{"--target-pgdata=" + s.opts.DataDir, "--source-server=" + l.conninfo}
	if major >= 13 {
		args = append(args, "--no-ensure-shutdown") // before, it never did
	}
	args = append(append(args, restore...), settings.RewindArgs...)
	nothing := false
	j := job{path: s.program("pg_rewind"), args: append(slices.Clone(args), "--dry-run"), dir: "/",
		env: toolEnv(append(l.env, "LC_ALL=C")...), secret: l.secret,
		line: func(line string) { nothing = nothing || strings.Contains(line, "no rewind required") }}
	if err := j.run(ctx); err != nil {
		if lacksWAL(err) {
			return fmt.Errorf("%w: %w", ErrMissingWAL, err)
		}
		return err
	}
	if nothing {
		return fmt.Errorf("%w: it says that no rewind is required", ErrRewindUseless)
	}
	a, err := s.begin(workRewind)
	if err != nil {
		return err
	}
	j.args = args
	err = j.run(ctx)
	if err == nil { // it removed standby.signal, which a primary doesn't have
		err = s.makeStandby()
	}
	a.end()
	if err != nil {
		return err
	}
	return s.markComplete()
}

// lacksWAL knows how pg_rewind says that it can't read back to the checkpoint.
func lacksWAL(err error) bool {
	text := err.Error()
	return strings.Contains(text, "could not find previous WAL record") ||
		strings.Contains(text, "could not read WAL record") ||
		strings.Contains(text, "could not restore file") ||
		strings.Contains(text, "could not open file") && strings.Contains(text, "pg_wal")
}

// restoreArgs let pg_rewind fetch missing WAL by our restore_command. From
// version 15 on it reads that from any file; before, only from a configuration
// in the data directory, which must have it.
func (s *Server) restoreArgs(ctx context.Context, settings Settings, l *login, major int) ([]string, error) {
	restore := settings.RecoveryConf["restore_command"]
	if restore == "" {
		restore = settings.Parameters["restore_command"]
	}
	if restore == "" {
		return nil, nil
	}
	switch {
	case major < 13:
		return nil, nil
	case major < 15:
		if set, err := s.setting(ctx, "restore_command"); err != nil || set == "" || s.configDir() != s.opts.DataDir {
			return nil, nil //nolint:nilerr // it has to do without
		}
		return []string{"--restore-target-wal"}, nil
	}
	file := s.opts.PassFile + forRewind + ".conf"
	l.files = append(l.files, file)
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(restore)
	if err := writeFile(file, []byte("restore_command = '"+quoted+"'\n"), 0o600); err != nil {
		return nil, err
	}
	return []string{"--restore-target-wal", "--config-file=" + file}, nil
}

// checkpointLimit bounds the checkpoint that a rewind waits for.
const checkpointLimit = 5 * time.Minute

// checkpointThere makes sure that the source's control file is of its present
// timeline: right after a promotion it isn't, and pg_rewind would find nothing to
// do (PostgreSQL documentation, "pg_rewind", Notes).
func (s *Server) checkpointThere(ctx context.Context, settings Settings, up Upstream) error {
	const behind = `SELECT timeline_id < ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()`
	ctx, cancel := clock.WithTimeout(ctx, s.clock, checkpointLimit)
	defer cancel()
	ask := func(cred Credentials, f func(*pgx.Conn) error) error {
		config, err := settings.connConfig(cred, up.Host, up.Port, map[string]string{"statement_timeout": "0"})
		if err != nil {
			return err
		}
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return f(conn)
	}
	needed := false
	err := ask(settings.rewindCredentials(), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, behind).Scan(&needed)
	})
	if err != nil || !needed {
		return err
	}
	err = ask(settings.Superuser, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CHECKPOINT")
		return err
	})
	if err != nil {
		return fmt.Errorf("its first checkpoint since its promotion isn't done, and asking for one failed: %w", err)
	}
	return nil
}
