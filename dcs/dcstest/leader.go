package dcstest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/regent-ha/regent/dcs"
)

func (s *suite) acquire(t *testing.T) {
	s.in(t, "an absent key", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		if l.For != s.lasts(long) {
			c.Errorf("For is %v, asked for %v", l.For, long)
		}
		for _, d := range []dcs.DCS{a, b} {
			h := c.read(d).Leader
			if h == nil || h.Name != "a" || h.Grant != l.ID || h.Lineage == "" {
				c.Errorf("the holder is %+v, the lease %+v", h, l)
			}
		}
	})
	s.in(t, "a held key", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		_, err := b.AttemptToAcquireLeader(c.ctx)
		c.wantRefused("another's attempt", err, dcs.ErrHeld, "a")
		_, err = a.AttemptToAcquireLeader(c.ctx)
		c.wantRefused("the holder's own attempt", err, dcs.ErrHeld, "a")
		c.update(a, l)
	})
	s.in(t, "a released key", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		lineage := c.read(a).Leader.Lineage
		_, err := b.AttemptToAcquireLeader(c.ctx)
		c.wantRefused("while it is held", err, dcs.ErrHeld, "a")
		c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, l))
		if lb := c.acquire(b); lb.ID == l.ID {
			c.Errorf("two grants have the ID %q", l.ID)
		}
		if c.read(a).Leader.Lineage == lineage {
			c.Errorf("the key was created twice with lineage %q", lineage)
		}
	})
	s.in(t, "an expired key", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		l := c.acquire(a)
		c.waitUnlocked(b)
		if now := c.now(); now.Before(l.End()) {
			c.Errorf("it ended %v early", l.End().Sub(now))
		}
		if lb := c.acquire(b); lb.ID == l.ID {
			c.Errorf("two grants have the ID %q", l.ID)
		}
	})
	s.in(t, "a race of eight", func(c *cluster) {
		const racers = 8
		won := make(chan string, racers)
		var racing []func()
		for i := range racers {
			name := fmt.Sprintf("node-%d", i)
			d := c.open(name, long)
			racing = append(racing, func() {
				_, err := d.AttemptToAcquireLeader(c.ctx)
				switch {
				case err == nil:
					won <- name
				case !errors.Is(err, dcs.ErrHeld):
					c.Errorf("%s: %v", name, err)
				}
			})
		}
		parallel(racing...)
		if len(won) != 1 {
			c.Fatalf("%d winners", len(won))
		}
		if h := c.read(c.open("", long)).Leader; h == nil || h.Name != <-won {
			c.Errorf("the holder is %+v, not who won", h)
		}
	})
}

func (s *suite) renew(t *testing.T) {
	s.in(t, "extends", func(c *cluster) {
		s.inTime(c, (*cluster).extends)
	})
	s.in(t, "is refused after expiry", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		l := c.acquire(a)
		c.waitUnlocked(b)
		_, err := a.UpdateLeader(c.ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any})
		c.wantRefused("of an absent key", err, dcs.ErrLost, "")
		c.acquire(b)
		_, err = a.UpdateLeader(c.ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any})
		c.wantRefused("of another's key", err, dcs.ErrLost, "b")
		if doc, ok := c.read(b).Documents[dcs.StatusKey]; ok {
			c.Errorf("a leader of the past wrote %q", doc.Value)
		}
	})
	s.in(t, "is refused for an earlier grant of the same name", func(c *cluster) {
		a := c.open("a", long)
		old := c.acquire(a)
		c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, old))
		l := c.acquire(a)
		_, err := a.UpdateLeader(c.ctx, old)
		c.wantRefused("of the old grant", err, dcs.ErrLost, "a")
		_, err = a.UpdateLeader(c.ctx, dcs.Lease{ID: "no such grant"})
		c.wantRefused("of a grant that never was", err, dcs.ErrLost, "a")
		_, err = a.UpdateLeader(c.ctx, dcs.Lease{})
		c.wantRefused("of no grant", err, dcs.ErrLost, "a")
		c.update(a, l)
	})
	s.in(t, "writes documents", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		l = c.update(a, l,
			dcs.Write{Key: dcs.StatusKey, Value: []byte("s1"), Prev: dcs.Any},
			dcs.Write{Key: dcs.SyncKey, Value: []byte("y1"), Prev: dcs.Absent})
		c.wantDocument(b, dcs.StatusKey, "s1", dcs.Any)
		sync := c.read(b).Documents[dcs.SyncKey].Version
		l = c.update(a, l,
			dcs.Write{Key: dcs.StatusKey, Prev: dcs.Any}, // nil deletes
			dcs.Write{Key: dcs.SyncKey, Value: []byte("y2"), Prev: sync})
		c.wantDocument(b, dcs.SyncKey, "y2", dcs.Any)
		if _, ok := c.read(b).Documents[dcs.StatusKey]; ok {
			c.Error("status wasn't deleted")
		}
		c.update(a, l)
	})
	s.in(t, "a conflict extends and writes nothing", func(c *cluster) {
		s.inTime(c, (*cluster).conflicts)
	})
}

// inTime repeats what a busy machine may be too slow for, each time in a cluster of
// its own.
func (s *suite) inTime(c *cluster, do func(*cluster) error) {
	const tries = 5
	for range tries {
		if err := do(s.cluster(c.T, s.shared)); !errors.Is(err, errTooSlow) {
			c.must("renew", err)
			return
		}
	}
	c.Fatalf("%d times in a row: %v", tries, errTooSlow)
}

// extends renews for as long as the first grant would have lasted twice.
func (c *cluster) extends() error {
	a, b := c.open("a", c.suite.MinTTL), c.open("b", long)
	first := c.acquire(a)
	l, lineage := first, c.read(b).Leader.Lineage
	for c.now().Before(first.End().Add(c.suite.MinTTL)) {
		before := c.now()
		next, err := a.UpdateLeader(c.ctx, l)
		switch {
		case err != nil && !c.now().Before(l.End()):
			return errTooSlow
		case err != nil:
			return err
		case next.ID != first.ID:
			return fmt.Errorf("the ID changed from %q to %q", first.ID, next.ID)
		}
		c.checkLease(next, before)
		l = next
		c.sleepUntil(c.now().Add(c.suite.MinTTL / 5))
	}
	h := c.read(b).Leader
	switch {
	case !c.now().Before(l.End()):
		return errTooSlow
	case h == nil || h.Grant != first.ID || h.Lineage != lineage:
		return fmt.Errorf("after %v of renewals the holder is %+v", 2*c.suite.MinTTL, h)
	}
	return nil
}

// conflicts renews with documents that conflict, for as long as the first grant would
// have lasted twice.
func (c *cluster) conflicts() error {
	a, b := c.open("a", c.suite.MinTTL), c.open("b", long)
	l := c.acquire(a)
	late := func(err error) error {
		if err != nil && !c.now().Before(l.End()) {
			return errTooSlow
		}
		return err
	}
	renew := func(docs ...dcs.Write) error {
		before := c.now()
		next, err := a.UpdateLeader(c.ctx, l, docs...)
		if err == nil || errors.Is(err, dcs.ErrConflict) && !errors.Is(err, dcs.ErrLost) {
			c.checkLease(next, before)
			l = next
		}
		return err
	}
	if err := renew(dcs.Write{Key: dcs.SyncKey, Value: []byte("1"), Prev: dcs.Absent}); err != nil {
		return late(err)
	}
	old := c.read(a).Documents[dcs.SyncKey].Version
	if err := renew(dcs.Write{Key: dcs.SyncKey, Value: []byte("2"), Prev: old}); err != nil {
		return late(err)
	}
	for until := l.End().Add(c.suite.MinTTL); c.now().Before(until); c.sleepUntil(c.now().Add(c.suite.MinTTL / 5)) {
		err := renew(dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any}, dcs.Write{Key: dcs.SyncKey, Value: []byte("3"), Prev: old})
		if !errors.Is(err, dcs.ErrConflict) || errors.Is(err, dcs.ErrLost) {
			return late(fmt.Errorf("got %v, want ErrConflict", err))
		}
	}
	c.wantDocument(b, dcs.SyncKey, "2", dcs.Any)
	if doc, ok := c.read(b).Documents[dcs.StatusKey]; ok {
		c.Errorf("status was written beside a conflict: %q", doc.Value)
	}
	return late(renew())
}
