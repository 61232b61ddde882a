package zookeeper

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/regent-ha/regent/internal/turn"
)

const (
	shortestPause = 20 * time.Millisecond
	longestPause  = 500 * time.Millisecond
)

// attach opens a connection for the session, a new one if its id is 0, to
// whichever server answers before ctx ends. The one that answered last comes
// first. codeSessionExpired: a server says that the session has ended.
func (d *DCS) attach(ctx context.Context, s session) (*conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.open, func() { cancel(errClosed) })()
	pause := shortestPause
	var obstacle error
	for tried := 1; ; tried++ {
		servers := *d.servers.Load()
		server := servers[int(d.server.Load())%len(servers)]
		c, err := d.attachTo(ctx, server, s)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, codeSessionExpired), errors.Is(err, codeAuthFailed), errors.Is(err, errClosed):
			return nil, fmt.Errorf("%s: %w", server, err)
		case ctx.Err() == nil || obstacle == nil:
			obstacle = fmt.Errorf("%s: %w", server, err)
		}
		if ctx.Err() != nil {
			return nil, unanswered(ctx, obstacle)
		}
		d.server.Add(1)
		if tried%len(servers) != 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil, unanswered(ctx, obstacle)
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// unanswered is the end of ctx with what kept a request from being answered.
func unanswered(ctx context.Context, obstacle error) error {
	switch cause := context.Cause(ctx); {
	case obstacle == nil:
		return cause
	case errors.Is(obstacle, cause):
		return obstacle
	default:
		return fmt.Errorf("%w: %w", obstacle, cause)
	}
}

func (d *DCS) attachTo(ctx context.Context, server string, s session) (*conn, error) {
	attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
	defer cancel()
	c, err := d.dial(attempt, server)
	if err != nil {
		return nil, causeOf(attempt, err)
	}
	if err := d.login(attempt, c, s); err != nil {
		c.close(err)
		return nil, causeOf(attempt, err)
	}
	return c, nil
}

// causeOf is why ctx has ended, if that is what err comes from.
func causeOf(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done() // a socket looks at the same deadline, and may see it first
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (d *DCS) dial(ctx context.Context, server string) (*conn, error) {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if d.options.TLS != nil {
		dialer = &tls.Dialer{Config: d.options.TLS}
	}
	socket, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, plain(err)
	}
	return &conn{
		net: socket, server: server, quiet: d.leader, writing: turn.New(), waiting: map[int32]chan<- reply{},
		listening: map[chan struct{}]bool{}, done: make(chan struct{}),
	}, nil
}

// plain takes addresses, ours being other ones each time, out of an error.
func plain(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if call := (*os.SyscallError)(nil); errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// login attaches the connection to its session, takes in its answers from then
// on, and shows our credentials.
func (d *DCS) login(ctx context.Context, c *conn, s session) error {
	if err := c.greet(ctx, s, d.clock); err != nil {
		return err
	}
	if !d.own(c) {
		return errClosed
	}
	for _, a := range d.options.Auth {
		if _, err := c.ask(ctx, opAuth, message{}.int32(0).text(a.Scheme).text(a.Credential)); err != nil {
			return fmt.Errorf("log in by %s: %w", a.Scheme, err)
		}
	}
	return nil
}

// own makes the handle take in what c receives and wait for its end when it is
// closed; false: it is closed already.
func (d *DCS) own(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.conns[c] = true
	d.background.Go(func() {
		c.receive()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.conns, c)
	})
	return true
}

// endSession ends a session and its connection: what ends with it is gone when
// the server has answered.
func endSession(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := c.ask(ctx, opCloseSession, nil)
	c.close(errClosed)
	return err
}
