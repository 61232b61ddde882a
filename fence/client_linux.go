package fence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Guard is an agent's hold on the guard of its data directory. Its methods may
// be used by many goroutines; each ends with its context. An error that is no
// RefusedError leaves open whether the guard did what it was asked.
type Guard struct {
	conn  *net.UnixConn
	lost  chan struct{}
	child atomic.Int64 // the guard's pid, if this process started it
	write sync.Mutex

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan response
	ended   error
}

// ErrLost is in every error of a Guard whose connection has ended.
var ErrLost = errors.New("the connection to the guard has ended")

// Arm sets the deadline. Nil means that the guard has acknowledged it; after any
// error that is no RefusedError it counts as not given, although it may stand.
func (g *Guard) Arm(ctx context.Context, a Arm) error {
	_, err := g.call(ctx, request{Verb: verbArm, Arm: &a})
	return wrap("arm", err)
}

// Disarm takes the deadline back. The guard looks for itself, and refuses unless
// no server runs, or one that was started as a standby and still is.
func (g *Guard) Disarm(ctx context.Context, number uint64) error {
	_, err := g.call(ctx, request{Verb: verbDisarm, Number: number})
	return wrap("disarm", err)
}

// Hold suspends the deadline until the next Arm or Disarm, also past the agent's
// end. It speaks for a server that the guard found, and lifts no latch.
func (g *Guard) Hold(ctx context.Context, number uint64) error {
	_, err := g.call(ctx, request{Verb: verbHold, Number: number})
	return wrap("hold", err)
}

// Launch starts the server and returns its pid once it is the server's
// executable that runs.
func (g *Guard) Launch(ctx context.Context, c Command) (pid int, err error) {
	r, err := g.call(ctx, request{Verb: verbLaunch, Command: &c})
	return r.PID, wrap("launch", err)
}

// State asks what the guard knows and does.
func (g *Guard) State(ctx context.Context) (State, error) {
	r, err := g.call(ctx, request{Verb: verbState})
	if err == nil && r.State == nil {
		err = errors.New("the answer has no state")
	}
	if err != nil {
		return State{}, wrap("state", err)
	}
	return *r.State, nil
}

// Lost is closed when the connection has ended, whoever ended it. The guard may
// be dead, and the server with it: Connect again.
func (g *Guard) Lost() <-chan struct{} { return g.lost }

// Close takes leave: the guard goes on, and another agent may come. It doesn't
// wait for a guard that doesn't answer for more than a second.
func (g *Guard) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := g.call(ctx, request{Verb: verbBye})
	g.conn.Close()
	<-g.lost
	if errors.Is(err, ErrLost) {
		return nil
	}
	return wrap("close", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fence: %s: %w", what, err)
}

// call sends one request and waits for its answer.
func (g *Guard) call(ctx context.Context, r request) (response, error) {
	answer := make(chan response, 1)
	g.mu.Lock()
	if g.ended != nil {
		g.mu.Unlock()
		return response{}, g.ended
	}
	g.last++
	r.ID = g.last
	g.waiting[r.ID] = answer
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.waiting, r.ID)
		g.mu.Unlock()
	}()
	if err := g.send(ctx, r); err != nil {
		return response{}, err
	}
	select {
	case got := <-answer:
		return got, got.err()
	case <-ctx.Done():
		return response{}, fmt.Errorf("the guard hasn't answered: %w", context.Cause(ctx))
	case <-g.lost:
		select {
		case got := <-answer:
			return got, got.err()
		default:
			return response{}, g.ended
		}
	}
}

// send writes the request whole or ends the connection: half a frame would spoil
// all that follow.
func (g *Guard) send(ctx context.Context, r request) error {
	g.write.Lock()
	defer g.write.Unlock()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { g.conn.SetWriteDeadline(time.Unix(1, 0)) })
	err := writeFrame(g.conn, r)
	if !stop() && err == nil {
		g.conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		g.conn.Close()
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

func (g *Guard) read() {
	for {
		var r response
		if err := readFrame(g.conn, &r); err != nil {
			g.mu.Lock()
			g.ended = fmt.Errorf("%w: %w", ErrLost, err)
			g.mu.Unlock()
			g.conn.Close()
			close(g.lost)
			if errors.Is(err, io.EOF) {
				g.reap()
			}
			return
		}
		g.mu.Lock()
		if answer := g.waiting[r.ID]; answer != nil {
			answer <- r
			delete(g.waiting, r.ID)
		}
		g.mu.Unlock()
	}
}

// reap lets a dead guard go that is a child of this process. It closed the
// connection a moment before it was dead.
func (g *Guard) reap() {
	for range 100 {
		child := int(g.child.Load())
		if child == 0 {
			return
		}
		if pid, err := unix.Wait4(child, nil, unix.WNOHANG, nil); pid != 0 || err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
