package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// endLeftovers kills what a dead postmaster left: backends that still hold its
// shared memory, and would write. There must be no postmaster.
func (s *Server) endLeftovers(ctx context.Context) error {
	return s.killAll(ctx, 0)
}

// killTree ends the server without asking it. The postmaster is stopped first,
// so that it starts nobody anew, and killed last.
func (s *Server) killTree(ctx context.Context, pm *postmaster) error {
	_ = pm.signal(syscall.SIGSTOP)
	errChildren := s.killAll(ctx, pm.pid)
	if err := pm.signal(syscall.SIGKILL); ignoreDone(err) != nil {
		return fmt.Errorf("kill the postmaster: %w", err)
	}
	select {
	case <-pm.gone:
	case <-ctx.Done():
		return fmt.Errorf("process %d doesn't die: %w", pm.pid, context.Cause(ctx))
	}
	return errors.Join(errChildren, s.killAll(ctx, 0)) // what was forked before it stopped
}

// killAll kills every process of the server but except, until none is left.
func (s *Server) killAll(ctx context.Context, except int) error {
	dir, err := inodeOf(s.opts.DataDir)
	if err != nil {
		return ignoreNotExist(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := s.serverProcesses()
		if err != nil {
			return err
		}
		left := 0
		for _, pid := range all {
			if pid == except {
				continue
			}
			proc, err := s.openServer(pid, dir)
			if err != nil {
				return err
			}
			if proc == nil {
				continue
			}
			left++
			err = proc.signal(syscall.SIGKILL)
			proc.close()
			if ignoreDone(err) != nil {
				return fmt.Errorf("kill process %d of the server: %w", pid, err)
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d processes of the server don't die: %w", left, context.Cause(ctx))
		}
	}
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
