package zookeeper

import (
	"context"
	"time"
)

const (
	recursive        = 1 // a watch that stays, over all that lies below (AddWatchMode)
	eventDataChanged = 3
)

// Watch implements dcs.DCS. Its goroutine ends with ctx.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	go func() {
		defer close(hints)
		d.watch(ctx, hints)
	}()
	return hints
}

func (d *DCS) watch(ctx context.Context, hints chan struct{}) {
	pause, broken := shortestPause, false
	for {
		err := d.stand(ctx, hints, func() {
			if broken {
				d.log.Info("watching the store again")
			}
			pause, broken = shortestPause, false
		})
		if ctx.Err() != nil {
			return
		}
		if !broken {
			broken = true
			d.log.Warn("the watch on the store broke", "error", failed("watch "+d.root, err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// stand watches until the connection breaks.
func (d *DCS) stand(ctx context.Context, hints chan struct{}, stood func()) error {
	var c *conn
	err := d.attempt(ctx, func(ctx context.Context, shared *conn) error {
		c = shared
		c.listen(hints, true)
		_, err := c.ask(ctx, opAddWatch, message{}.text(d.root).int32(recursive))
		if err != nil {
			c.listen(hints, false)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer c.listen(hints, false)
	defer d.silence.Broken()
	d.silence.News(d.clock.Now())
	stood()
	hint(hints)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.err
	}
}

// listen adds a channel to those that hear of events, or takes it out.
func (c *conn) listen(hints chan struct{}, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !on {
		delete(c.listening, hints)
		return
	}
	c.listening[hints] = true
}

// fired passes an event on. That a leader has renewed its key is none.
func (c *conn) fired(a *answer) {
	kind := a.int32()
	a.int32() // state of the connection
	if kind == eventDataChanged && a.text() == c.quiet {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silence != nil {
		c.silence.News(c.clock.Now())
	}
	for hints := range c.listening {
		hint(hints)
	}
}

func hint(hints chan struct{}) {
	select {
	case hints <- struct{}{}:
	default: // merges with the hint that nobody took yet
	}
}
