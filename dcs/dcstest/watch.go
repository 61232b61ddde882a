package dcstest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

func (s *suite) watch(t *testing.T) {
	s.in(t, "wakes", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		hints := b.Watch(c.ctx)
		c.wantHint(hints, "the watch stands")
		var l dcs.Lease
		for _, change := range []struct {
			what string
			do   func()
		}{
			{"a document", func() { c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any}) }},
			{"a member", func() { c.touch(a, dcs.Member{State: "running"}) }},
			{"a leader", func() { l = c.acquire(a) }},
			{"a release", func() { c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, l)) }},
		} {
			c.settle(hints)
			change.do()
			c.wantHint(hints, change.what)
		}
	})
	s.in(t, "wakes when a grant ends", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		hints := b.Watch(c.ctx)
		c.acquire(a)
		c.eventually("a hint after which the key is gone", func() error {
			c.wantHint(hints, "the end of a grant")
			if h := c.read(b).Leader; h != nil {
				return fmt.Errorf("%s holds it", h.Name)
			}
			return nil
		})
	})
	s.in(t, "merges", func(c *cluster) {
		const writes = 50
		a, b := c.open("a", long), c.open("b", long)
		hints := b.Watch(c.ctx)
		c.wantHint(hints, "the watch stands")
		for i := range writes {
			c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: fmt.Append(nil, i), Prev: dcs.Any})
		}
		if n := c.settle(hints); n == 0 || n > writes/5 {
			c.Errorf("%d writes that nobody looked at gave %d hints", writes, n)
		}
	})
	s.in(t, "proves silence, and never over a change", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", s.MinTTL)
		c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
		hints := b.Watch(c.ctx)
		c.wantHint(hints, "the watch stands")
		for i := range 5 {
			snapshot, err := b.Read(c.ctx)
			c.must("Read", err)
			covers := func() (from, until clock.Instant, covers bool) {
				from, until = b.Quiet()
				return from, until, !from.IsZero() && !snapshot.Sent.Before(from)
			}
			if !s.Unproven {
				c.eventually("silence after a read is proven", func() error {
					from, until, ok := covers()
					if ok && until.After(snapshot.Sent) {
						return nil
					}
					if from.After(snapshot.Sent) { // there was something to hear meanwhile
						if snapshot, err = b.Read(c.ctx); err != nil {
							return err
						}
					}
					return fmt.Errorf("from %v until %v, read at %v", from, until, snapshot.Sent)
				})
			}
			c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: fmt.Append(nil, i), Prev: dcs.Any})
			changed := c.now()
			c.eventually("the change is known", func() error {
				from, until, silent := covers()
				if silent && until.After(changed) {
					c.Fatalf("silence is proven from %v until %v: over the change before %v", from, until, changed)
				}
				if silent {
					return fmt.Errorf("silence from %v until %v", from, until)
				}
				return nil
			})
		}
	})
	s.in(t, "ends with its context", func(c *cluster) {
		ctx, cancel := context.WithCancel(c.ctx)
		hints := c.open("a", long).Watch(ctx)
		c.wantHint(hints, "the watch stands")
		cancel()
		for deadline := time.After(patience); ; {
			select {
			case _, open := <-hints:
				if !open {
					return
				}
			case <-deadline:
				c.Fatal("the channel wasn't closed")
			}
		}
	})
}

func (c *cluster) wantHint(hints <-chan struct{}, what string) {
	c.Helper()
	select {
	case _, open := <-hints:
		if !open {
			c.Fatalf("%s: the channel was closed", what)
		}
	case <-time.After(patience):
		c.Fatalf("%s: no hint in %v", what, patience)
	}
}

// settle takes hints until none comes for a while, and counts them.
func (c *cluster) settle(hints <-chan struct{}) (n int) {
	for {
		select {
		case <-hints:
			n++
		case <-time.After(200 * time.Millisecond):
			return n
		}
	}
}
