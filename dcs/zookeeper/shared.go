package zookeeper

import (
	"context"
	"errors"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// leastCommon is the least timeout of the common session, which no grant hangs on.
const leastCommon = 12 * time.Second

// shared returns the connection for all that belongs to no grant. Its session is
// kept alive; a broken connection is replaced, with a new session.
func (d *DCS) shared(ctx context.Context) (*conn, error) {
	if err := d.opening.Take(ctx); err != nil {
		return nil, err
	}
	defer d.opening.Give()
	d.mu.Lock()
	c := d.common
	d.mu.Unlock()
	if c != nil && !c.ended() {
		return c, nil
	}
	c, err := d.attach(ctx, session{asked: max(d.wantedTTL(), leastCommon)})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	d.common = c
	c.mu.Lock()
	c.silence, c.clock = &d.silence, d.clock
	c.mu.Unlock()
	d.background.Go(func() { c.ping(min(max(c.granted/6, 500*time.Millisecond), 5*time.Second)) })
	return c, nil
}

// request is something to ask over a connection.
type request func(ctx context.Context, c *conn) error

// once makes a request that must not be carried out twice.
func (d *DCS) once(ctx context.Context, r request) error {
	c, err := d.shared(ctx)
	if err != nil {
		return err
	}
	return r(ctx, c)
}

// attempt makes a request until it has an answer, good or bad, or ctx ends: it
// may be carried out more than once.
func (d *DCS) attempt(ctx context.Context, r request) error {
	pause := shortestPause
	var obstacle error
	for {
		c, err := d.shared(ctx)
		if err != nil {
			return err
		}
		attempt, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errSilent)
		err = r(attempt, c)
		cancel()
		switch {
		case err == nil || !worthRetrying(err):
			return err
		case ctx.Err() != nil:
			if obstacle == nil {
				obstacle = err
			}
			return unanswered(ctx, obstacle)
		}
		obstacle = err
		c.close(err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// worthRetrying says whether another connection may give another answer.
func worthRetrying(err error) bool {
	if errors.Is(err, dcs.ErrLost) || errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrConflict) || errors.Is(err, errClosed) {
		return false
	}
	var c code
	if !errors.As(err, &c) {
		return true
	}
	switch c {
	case codeSessionExpired, codeSessionMoved, -1, -4, -7, -119, -127:
		return true
	}
	return false
}
