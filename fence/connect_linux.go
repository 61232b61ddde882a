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

	"golang.org/x/sys/unix"
)

// Connect makes the caller the agent of the data directory's guard. It takes
// over the guard that runs, or starts one; there are never two. It is refused
// (RefusedBusy) while another agent that lives has it.
//
// A guard that lives and can't be talked to (it is frozen, or its socket was
// removed a moment ago) is waited for until ctx ends; the error names it then.
// A wait of more than three seconds is logged, once.
func Connect(ctx context.Context, o Options) (*Guard, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p, err := o.place()
	if err != nil {
		return nil, err
	}
	c := &connecting{Options: o, place: p}
	defer c.wait.begin(o.Logger, o.DataDir)()
	for {
		g, again, err := c.try(ctx)
		if again {
			err = c.wait.rests(ctx, err)
		}
		switch {
		case err != nil:
			return nil, wrap("connect to the guard", c.wait.over(ctx, err))
		case g != nil:
			return g, nil
		}
	}
}

// connecting is a Connect under way.
type connecting struct {
	Options
	place place
	child int // the guard that was started for it last
	wait  patience
}

// try talks to the guard, or else starts one and talks to that. It says whether
// trying again may help.
func (c *connecting) try(ctx context.Context) (g *Guard, again bool, err error) {
	if err := c.place.make(); err != nil {
		return nil, false, err
	}
	if g, err = c.dial(ctx); !noGuard(err) {
		return g, false, err
	}
	// One that is being started by another holds the lock and has no socket
	// yet, and one that ends has no socket any more: then this fails, and the
	// next try finds out.
	child, err := startGuard(ctx, c.Options, c.place)
	if err != nil {
		return nil, errors.Is(err, errLocked), err
	}
	if c.child != 0 {
		unix.Wait4(c.child, nil, unix.WNOHANG, nil) // it gave the lock up
	}
	c.child = child
	g, err = c.dial(ctx)
	return g, noGuard(err), err
}

func (c *connecting) dial(ctx context.Context) (*Guard, error) {
	conn, guard, err := listener(ctx, c.place)
	if err != nil {
		return nil, err
	}
	c.wait.waits(fmt.Errorf("the guard with pid %d doesn't answer", guard))
	g, err := greet(ctx, conn, request{Verb: verbHello, Protocol: protocolVersion, Kill: c.OnFenced == OnFencedKill})
	if err != nil {
		return nil, err
	}
	g.child.Store(int64(c.child))
	return g, nil
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
var errLocked = errors.New("it isn't at its socket, and another can't start")

func noGuard(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrLost)
}

func dial(ctx context.Context, p place, hello request) (*Guard, error) {
	conn, _, err := listener(ctx, p)
	if err != nil {
		return nil, err
	}
	return greet(ctx, conn, hello)
}

// listener connects to whoever listens, and says who that is.
func listener(ctx context.Context, p place) (conn *net.UnixConn, pid int, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", p.socket())
	if err != nil {
		return nil, 0, err
	}
	conn = c.(*net.UnixConn)
	cred, err := peerOf(conn)
	if err != nil || int(cred.Uid) != os.Geteuid() {
		conn.Close()
		return nil, 0, fmt.Errorf("the socket %s is user %d's, not ours: %w", p.socket(), cred.Uid, fs.ErrPermission)
	}
	return conn, int(cred.Pid), nil
}

// greet asks to be listened to.
func greet(ctx context.Context, conn *net.UnixConn, hello request) (*Guard, error) {
	g := &Guard{conn: conn, lost: make(chan struct{}), waiting: map[uint64]chan response{}}
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
	case strings.Contains(said, errHeld.Error()):
		return fmt.Errorf("%w: %s", errLocked, said)
	case said != "":
		return errors.New(said)
	case ctx.Err() != nil:
		return fmt.Errorf("it doesn't get ready: %w", context.Cause(ctx))
	case err != nil:
		return err
	}
	return errors.New("it ended without a word: see its log, and whether its program begins with fence.Main()")
}
