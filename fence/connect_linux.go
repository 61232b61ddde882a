package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Connect makes the caller the agent of the data directory's guard. It takes
// over the guard that runs, or starts one; there are never two. It is refused
// (RefusedBusy) while another agent that lives has it.
func Connect(ctx context.Context, o Options) (*Guard, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p, err := o.place()
	if err != nil {
		return nil, err
	}
	if err := p.make(); err != nil {
		return nil, fmt.Errorf("fence: %w", err)
	}
	hello := request{Verb: verbHello, Protocol: protocolVersion, Kill: o.OnFenced == OnFencedKill}
	var child int
	var before error // why an earlier round came to nothing
	for rest := 20 * time.Millisecond; ; rest = min(2*rest, time.Second) {
		g, err := dial(ctx, p, hello)
		if err == nil {
			g.child.Store(int64(child))
			return g, nil
		}
		if !noGuard(err) {
			return nil, wrap("connect to the guard", after(before, err))
		}
		// One that is being started by another holds the lock and has no socket
		// yet, and one that ends has no socket any more: then this fails, and the
		// next round finds out.
		child, err = startGuard(ctx, o, p)
		if errors.Is(err, errLocked) {
			before, err = err, pause(ctx, rest)
		}
		if err != nil {
			return nil, wrap("start the guard", after(before, err))
		}
	}
}

// ReadState asks the guard of the data directory without becoming its agent.
// Without a guard, errors.Is finds fs.ErrNotExist or syscall.ECONNREFUSED.
func ReadState(ctx context.Context, o Options) (State, error) {
	p, err := o.place()
	if err != nil {
		return State{}, err
	}
	g, err := dial(ctx, p, request{Verb: verbHello, Protocol: protocolVersion, Observe: true})
	if err != nil {
		return State{}, wrap("ask the guard", err)
	}
	defer func() {
		g.conn.Close()
		<-g.lost
	}()
	return g.State(ctx)
}

// errLocked says that a guard lives that can't be talked to now.
var errLocked = errors.New("another guard holds the data directory")

func noGuard(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrLost)
}

// after is err, and what had gone wrong before if something had.
func after(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; then: %w", before, err)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func dial(ctx context.Context, p place, hello request) (*Guard, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", p.socket())
	if err != nil {
		return nil, err
	}
	g := &Guard{conn: conn.(*net.UnixConn), lost: make(chan struct{}), waiting: map[uint64]chan response{}}
	if cred, err := peerOf(g.conn); err != nil || int(cred.Uid) != os.Geteuid() {
		conn.Close()
		return nil, fmt.Errorf("the socket %s is user %d's, not ours: %w", p.socket(), cred.Uid, fs.ErrPermission)
	}
	go g.read()
	if _, err := g.call(ctx, hello); err != nil {
		conn.Close()
		<-g.lost
		return nil, err
	}
	return g, nil
}

// startGuard returns when the guard listens, or says why it doesn't.
func startGuard(ctx context.Context, o Options, p place) (pid int, err error) {
	text, err := json.Marshal(settings{DataDir: o.DataDir, Place: p, RetryTimeout: o.RetryTimeout})
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := &exec.Cmd{
		Path:        o.Path,
		Args:        []string{guardName, o.DataDir},
		Env:         []string{settingsVar + "=" + string(text)},
		Dir:         "/",
		Stdout:      log,
		Stderr:      log,
		ExtraFiles:  []*os.File{w},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if cmd.Path == "" {
		cmd.Path = "/proc/self/exe" // also when the file was replaced since
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	if err := awaitReady(ctx, r); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return 0, err
	}
	o.Logger.Info("guard started", "pid", cmd.Process.Pid, "data_dir", o.DataDir)
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release()
}

func awaitReady(ctx context.Context, r *os.File) error {
	stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, err := io.ReadAll(io.LimitReader(r, 4096))
	switch said := strings.TrimSpace(string(text)); {
	case said == readyWord:
		return nil
	case strings.Contains(said, "another guard holds"):
		return fmt.Errorf("%w (%s)", errLocked, said)
	case said != "":
		return errors.New(said)
	case ctx.Err() != nil:
		return fmt.Errorf("it doesn't get ready: %w", context.Cause(ctx))
	case err != nil:
		return err
	}
	return errors.New("it ended without a word: see its log, and whether its program begins with fence.Main()")
}
