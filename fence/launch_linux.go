package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/regent-ha/regent/clock"
)

// A launch has two stages. The guard forks a copy of itself, for which it needs
// nothing but what is in its memory, knows its pid at once, and goes on. The
// copy does what may wait for a disk: it opens the log, enters the data
// directory and becomes the server. A guard that did this between its own fork
// and exec would stand still with it, deadline or not.

type launch struct {
	command Command
	program string // what the guard itself runs
	forked  chan<- forkResult
	ended   chan<- error // the second stage's: nil once it became the server
}

type forkResult struct {
	process process
	wait    func() error // returns when it has ended, and lets it go
	err     error
}

// launcher starts servers, all from one thread that lives as long as the guard:
// the kernel sends the parent death signal when the thread that forked ends.
type launcher struct {
	clock  clock.Clock
	orders chan launchOrder
}

type launchOrder struct {
	launch
	notAfter clock.Instant
}

func (l *launcher) run() {
	runtime.LockOSThread()
	for order := range l.orders {
		if at := order.notAfter; !at.IsZero() && !l.clock.Now().Before(at) {
			order.forked <- forkResult{err: errors.New("the permit ended before the fork")}
			continue
		}
		l.start(order.launch)
	}
}

func (l *launcher) start(o launch) {
	body, err := json.Marshal(o.command)
	if err != nil {
		o.forked <- forkResult{err: err}
		return
	}
	in, out, err := pipes()
	if err != nil {
		o.forked <- forkResult{err: err}
		return
	}
	cmd := &exec.Cmd{
		Path:       o.program,
		Args:       []string{launchName, o.command.Path},
		Env:        []string{fmt.Sprintf("%s=%d", settingsVar, os.Getpid())},
		Dir:        "/",
		ExtraFiles: []*os.File{in.r, out.w},
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:    true,
			Pdeathsig: syscall.SIGINT,
		},
	}
	err = cmd.Start()
	in.r.Close()
	out.w.Close()
	if err != nil {
		in.w.Close()
		out.r.Close()
		o.forked <- forkResult{err: err}
		return
	}
	// It can't be gone: a child that ended stays until it is waited for.
	p, _ := readProcess(cmd.Process.Pid)
	p.pid, p.parent = cmd.Process.Pid, 0 // as the looker keeps it
	o.forked <- forkResult{process: p, wait: cmd.Wait}
	go func() {
		in.w.Write(body)
		in.w.Close()
		o.ended <- stageResult(out.r)
	}()
}

// stageResult reads why the second stage failed. Its descriptor closes when it
// becomes the server.
func stageResult(r *os.File) error {
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, 4096))
	if why := strings.TrimSpace(string(text)); why != "" {
		return errors.New(why)
	}
	return err
}

type pipe struct{ r, w *os.File }

func pipes() (a, b pipe, err error) {
	if a.r, a.w, err = os.Pipe(); err != nil {
		return
	}
	if b.r, b.w, err = os.Pipe(); err != nil {
		a.r.Close()
		a.w.Close()
	}
	return
}

// launchMain is the second stage. It returns only if it couldn't become the
// server.
func launchMain(guard string) int {
	runtime.LockOSThread() // the parent death signal belongs to the thread
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	status := os.NewFile(4, "status")
	var c Command
	err := json.NewDecoder(os.NewFile(3, "command")).Decode(&c)
	if err == nil {
		err = become(c, guard)
	}
	fmt.Fprintln(status, err)
	return 127
}

func become(c Command, guard string) error {
	log, null, err := openStdio(c)
	if err != nil {
		return err
	}
	if err := os.Chdir(c.Dir); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGINT), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent death signal: %w", err)
	}
	if fmt.Sprint(os.Getppid()) != guard {
		return errors.New("the guard has died")
	}
	for fd, from := range []int{null, log, log} {
		if err := unix.Dup3(from, fd, 0); err != nil {
			return fmt.Errorf("redirect descriptor %d: %w", fd, err)
		}
	}
	return fmt.Errorf("run %s: %w", c.Path, syscall.Exec(c.Path, append([]string{c.Path}, c.Args...), c.Env))
}

func openStdio(c Command) (log, null int, err error) {
	if null, err = unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return 0, 0, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	if c.Log == "" {
		return null, null, nil
	}
	log, err = unix.Open(c.Log, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		err = fmt.Errorf("open the server's log %s: %w", c.Log, err)
	}
	return log, null, err
}
