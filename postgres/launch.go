package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"

	"github.com/regent-ha/regent/clock"
)

// ErrNotPermitted says that a start that may become writable came without a
// permit or after its end.
var ErrNotPermitted = errors.New("not permitted to start a writable server")

// NoLease permits any start: for programs that run a PostgreSQL that nobody else
// can take over.
func NoLease() Permit { return Permit{NotAfter: math.MaxInt64} }

// check is nil as long as the permit holds; the zero Permit permits nothing.
func (p Permit) check(now clock.Instant) error {
	if p.NotAfter.IsZero() {
		return fmt.Errorf("%w: there is no permit", ErrNotPermitted)
	}
	if now.After(p.NotAfter) {
		return fmt.Errorf("%w: the permit ended %v ago", ErrNotPermitted, now.Sub(p.NotAfter))
	}
	return nil
}

// SetLauncher says who starts postmasters from now on. It must not be called
// while one is being started.
func (s *Server) SetLauncher(l Launcher) { s.opts.Launcher = l }

// forker is the default Launcher. What it starts leads a session of its own and
// outlives us.
type forker struct{ clock clock.Clock }

func (f forker) Launch(ctx context.Context, c Command) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	log, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	if c.Writable {
		if err := c.Permit.check(f.clock.Now()); err != nil {
			return 0, err
		}
	}
	proc, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{
		Dir:   c.Dir,
		Env:   c.Env,
		Files: []*os.File{null, log, log},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	pid := proc.Pid
	return pid, proc.Release() // who watches the postmaster reaps it
}
