package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// StartPrimary starts a server that may take writes. It returns when the
// postmaster was forked: Status tells how it goes on. standby.signal goes right
// before, with a permit that still holds, and comes back if nothing was forked.
func (s *Server) StartPrimary(ctx context.Context, p Permit) error {
	if err := p.check(s.clock.Now()); err != nil {
		return fmt.Errorf("postgres: start as primary: %w", err)
	}
	c, err := s.prepare(ctx, Upstream{}, nil)
	if err == nil {
		c.permit = &p
		err = s.startWritable(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("postgres: start as primary: %w", err)
	}
	return nil
}

func (s *Server) startWritable(ctx context.Context, c start) error {
	signal := s.dataPath("standby.signal")
	there, err := os.Lstat(signal)
	if ignoreNotExist(err) != nil {
		return err
	}
	if err := c.permit.check(s.clock.Now()); err != nil {
		return err
	}
	if err := removeFile(signal); err != nil {
		return err
	}
	err = s.launchServer(ctx, c)
	switch {
	case err == nil || there == nil:
		return err
	case there.IsDir(): // as a guard left it, which says more than the file
		return errors.Join(err, os.Mkdir(signal, 0o700), syncDir(s.opts.DataDir))
	}
	return errors.Join(err, s.writeSignal("standby.signal"))
}

// StartStandby starts a read-only server that follows up, if there is one. It
// returns when the postmaster was forked.
func (s *Server) StartStandby(ctx context.Context, up Upstream) error {
	control, err := s.readControl(ctx)
	if err != nil {
		return fmt.Errorf("postgres: start as standby: %w", err)
	}
	c, err := s.prepare(ctx, up, control)
	if err == nil {
		err = s.startReadOnly(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("postgres: start as standby: %w", err)
	}
	return nil
}

func (s *Server) startReadOnly(ctx context.Context, c start) error {
	if err := s.writeSignal("standby.signal"); err != nil {
		return err
	}
	if err := removeFile(s.dataPath("recovery.signal")); err != nil {
		return err
	}
	return s.launchServer(ctx, c)
}

// start is one that is prepared.
type start struct {
	arguments []string          // parameters of the command line, as "name=value"
	raised    map[string]Change // see composed
	permit    *Permit           // nil: it won't be writable
}

// prepare makes a directory on which nothing runs ready for a start. control is
// of a standby.
func (s *Server) prepare(ctx context.Context, up Upstream, control *Control) (start, error) {
	if err := s.mustBeIdle(ctx); err != nil {
		return start{}, err
	}
	settings := s.Settings()
	c, err := s.compose(ctx, settings, control)
	if err != nil {
		return start{}, err
	}
	major, err := s.majorVersion()
	if err != nil {
		return start{}, err
	}
	recovery, err := s.standbyConf(settings, up, major)
	if err != nil {
		return start{}, err
	}
	restoring, err := s.restoring()
	if err != nil {
		return start{}, err
	}
	if restoring && control == nil {
		if recovery, err = s.keptConf(settings, major); err != nil {
			return start{}, err
		}
		// Without it the limits of the server that was backed up don't matter.
		if action := recovery["recovery_target_action"]; action == "promote" || s.keepsAutoConf(settings) {
			c.args = append(c.args, "hot_standby=off")
		}
	}
	if _, err := s.writeConfig(settings, c.file, recovery); err != nil {
		return start{}, fmt.Errorf("write the configuration: %w", err)
	}
	if err := s.copyConfig(); err != nil {
		return start{}, fmt.Errorf("copy the configuration: %w", err)
	}
	s.follows(up)
	return start{arguments: c.args, raised: c.raised}, nil
}

// mustBeIdle makes sure that the directory holds a cluster on which nothing
// runs. What a dead postmaster left is ended, and lock files that nobody gets
// past are removed.
func (s *Server) mustBeIdle(ctx context.Context) error {
	state, err := s.dataState()
	if err != nil {
		return err
	}
	if state != DataValid {
		return fmt.Errorf("the data directory %s is %s", s.opts.DataDir, state)
	}
	pm, err := s.running()
	if err != nil {
		return err
	}
	if pm != nil {
		return fmt.Errorf("a server runs already: process %d", pm.pid)
	}
	if err := s.endLeftovers(ctx); err != nil {
		return err
	}
	return s.clearLocks(ctx)
}

// command is the whole of a start, as its launcher gets it.
func (s *Server) command(c start) (Command, error) {
	path, err := exec.LookPath(s.program("postgres"))
	if err != nil {
		return Command{}, fmt.Errorf("%w: Options.BinDir must be the folder with PostgreSQL's programs", err)
	}
	args := []string{"-D", s.opts.DataDir, "--config-file=" + s.mainConf()}
	for _, p := range c.arguments {
		args = append(args, "--"+p)
	}
	launch := Command{Path: path, Args: args, Env: serverEnv(), Dir: s.opts.DataDir, Log: s.logFile()}
	// No server runs here, so a process that a stale lock file names is another
	// one. The postmaster can't know and would refuse, unless it is told that
	// this number is of its parent's parent (PostgreSQL's CreateLockFile).
	if lock, err := s.readPidFile(); err == nil && lock.pid != 0 {
		launch.Env = append(launch.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(lock.process()))
	}
	if c.permit != nil {
		launch.Writable, launch.Permit = true, *c.permit
	}
	return launch, nil
}

// launchServer launches it and watches what it started.
func (s *Server) launchServer(ctx context.Context, prepared start) error {
	c, err := s.command(prepared)
	if err != nil {
		return err
	}
	if err := s.rotateLog(logAtStart, false); err != nil {
		return fmt.Errorf("the log file: %w", err)
	}
	var logFrom int64
	if fi, err := os.Stat(c.Log); err == nil {
		logFrom = fi.Size()
	}
	s.findMu.Lock() // nobody finds it before we know it
	defer s.findMu.Unlock()
	pid, err := s.opts.Launcher.Launch(ctx, c)
	if err != nil {
		return err
	}
	proc, err := openProcess(pid)
	if errors.Is(err, os.ErrProcessDone) {
		proc, err = nil, nil // it died already, and another reaped it
	}
	if err != nil {
		return err
	}
	record := launchRecord{of: &postmaster{}, logFrom: logFrom}
	if proc != nil {
		record.of = s.adopt(proc, prepared.raised)
	}
	s.pmMu.Lock()
	s.launch = record
	s.pmMu.Unlock()
	if proc == nil {
		s.hintExit()
	}
	mode := "standby"
	if c.Writable {
		mode = "primary"
	}
	s.log.Info("postmaster started", "pid", pid, "as", mode)
	return nil
}
