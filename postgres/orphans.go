package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// idle makes sure that nothing writes to the data directory: no server runs, and
// no program that an agent started which was killed.
func (s *Server) idle(ctx context.Context) error {
	running, err := s.serverProcesses()
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return fmt.Errorf("%w: processes %v", ErrRunning, running)
	}
	return s.endOrphans(ctx)
}

// endOrphans kills the pg_basebackup and pg_rewind that still work on the data
// directory though whoever started them is gone. The child that streams WAL for
// a pg_basebackup outlives that for ever, and keeps the slot in use.
func (s *Server) endOrphans(ctx context.Context) error {
	uid := uint32(os.Geteuid())
	all, err := pids(uid)
	if err != nil {
		return err
	}
	for _, pid := range all {
		if !s.isOrphan(pid) {
			continue
		}
		proc, err := openProcess(pid)
		if err != nil {
			if ignoreDone(err) != nil {
				return err
			}
			continue
		}
		if s.isOrphan(pid) { // still: the handle is on that process
			s.log.Warn("ending a program that a former agent started on the data directory", "pid", pid)
			err = endProcess(ctx, proc)
		}
		proc.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func endProcess(ctx context.Context, proc *process) error {
	if err := proc.signal(syscall.SIGKILL); ignoreDone(err) != nil {
		return fmt.Errorf("kill process %d: %w", proc.pid, err)
	}
	for !proc.dead() {
		if err := sleep(ctx, awaitPause); err != nil {
			return fmt.Errorf("process %d doesn't die: %w", proc.pid, err)
		}
	}
	return nil
}

// isOrphan knows those programs by the arguments that only we give them.
func (s *Server) isOrphan(pid int) bool {
	args := arguments(pid)
	if len(args) == 0 {
		return false
	}
	program := func(name string) bool { return filepath.Base(args[0]) == filepath.Base(s.program(name)) }
	return program("pg_basebackup") && slices.ContainsFunc(args, func(a string) bool {
		return strings.HasPrefix(a, "--pgdata="+s.dataPath(stagingPrefix))
	}) || program("pg_rewind") && slices.Contains(args, "--target-pgdata="+s.opts.DataDir)
}

// ErrRunning: what was asked for needs a stopped server.
var ErrRunning = errors.New("the server is still running")
