package dcstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// faulty makes a test that wants a link of its own to cut.
func (s *suite) faulty(t *testing.T, name string, test func(c *cluster, a dcs.DCS, link Link, b dcs.DCS)) {
	s.in(t, name, func(c *cluster) {
		a, link := c.openLinked("a", long)
		test(c, a, link, c.open("b", long))
	})
}

const (
	// short is what a call gets that can't succeed.
	short = 400 * time.Millisecond
	// late is how much later than its context a call may end.
	late = 5 * time.Second
)

// verbs are all calls on a handle that ask the store.
func verbs(d dcs.DCS, l dcs.Lease) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Read":                   func(ctx context.Context) error { _, err := d.Read(ctx); return err },
		"AttemptToAcquireLeader": func(ctx context.Context) error { _, err := d.AttemptToAcquireLeader(ctx); return err },
		"UpdateLeader":           func(ctx context.Context) error { _, err := d.UpdateLeader(ctx, l); return err },
		"ResumeLeader":           func(ctx context.Context) error { _, err := d.ResumeLeader(ctx, l.ID); return err },
		"Touch":                  func(ctx context.Context) error { return d.Touch(ctx, dcs.Member{State: "running"}) },
		"Put": func(ctx context.Context) error {
			_, err := d.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
			return err
		},
		"Delete": func(ctx context.Context) error { return d.Delete(ctx, dcs.FailoverKey, dcs.Any) },
	}
}

// wantNoAnswer calls every verb, all at once, and wants each to end with its
// context and to leave the outcome open.
func (c *cluster) wantNoAnswer(d dcs.DCS, l dcs.Lease) {
	c.Helper()
	var calls []func()
	for name, call := range verbs(d, l) {
		calls = append(calls, func() {
			start := time.Now()
			err := call(c.within(short))
			if took := time.Since(start); took > short+late {
				c.Errorf("%s took %v with a context of %v", name, took, short)
			}
			if err == nil || isDefinite(err) {
				c.Errorf("%s: got %v, though no answer could have come", name, err)
			}
		})
	}
	parallel(calls...)
}

func (s *suite) link(t *testing.T) {
	for name, cut := range map[string]func(Link){"hangs": Link.Hang, "is closed": Link.Close, "loses replies": Link.HangReplies} {
		s.faulty(t, name, func(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
			l := c.acquire(a)
			cut(link)
			c.wantNoAnswer(a, l)
			link.Heal()
			c.update(a, l)
			c.touch(a, dcs.Member{State: "running"})
			c.waitMember(b, "a", true)
		})
		s.faulty(t, "a watch survives that it "+name, func(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
			hints := a.Watch(c.ctx)
			c.wantHint(hints, "the watch stands")
			c.settle(hints)
			cut(link)
			c.put(b, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
			c.settle(hints)
			link.Heal()
			c.wantHint(hints, "the link is healed")
			c.settle(hints)
			c.put(b, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{1}"), Prev: dcs.Any})
			c.wantHint(hints, "a change after that")
		})
	}
	s.faulty(t, "an acquire without a reply is settled by the next", acquireSettled)
	s.faulty(t, "an acquire that never arrived is made again", func(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
		link.Close()
		_, err := a.AttemptToAcquireLeader(c.within(short))
		c.wantUnknown("AttemptToAcquireLeader", err)
		if h := c.read(b).Leader; h != nil {
			c.Errorf("the holder is %+v", h)
		}
		link.Heal()
		c.update(a, c.acquire(a))
	})
	s.faulty(t, "an acquire without a reply whose grant has ended is a new one", acquireEnded)
	s.faulty(t, "a renewal without a reply", renewalWithoutReply)
	s.faulty(t, "a release without a reply", func(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
		l := c.acquire(a)
		link.HangReplies()
		c.wantUnknown("ReleaseLeader", a.ReleaseLeader(c.within(short), l))
		link.Heal()
		c.eventually("the release", func() error {
			a.ReleaseLeader(c.ctx, l)
			if h := c.read(b).Leader; h != nil {
				return fmt.Errorf("the holder is %+v", h)
			}
			return nil
		})
		c.acquire(b)
	})
}

// unanswered makes a call whose last request is carried out and whose answer to
// that is lost, which done tells. It returns with the link still cut. Undo makes
// up for a call that was answered: one is, to learn how many requests it needs.
func (c *cluster) unanswered(d dcs.DCS, link Link, what string, call func(context.Context) error, undo func(), done func() bool) {
	c.Helper()
	const delay, tries = 40 * time.Millisecond, 20 // a busy machine needs some
	for range tries {
		link.Heal()
		c.read(d) // the connection stands
		link.Delay(delay)
		start := c.now()
		c.must(what, call(c.ctx))
		requests := c.now().Sub(start) / (2 * delay)
		undo()
		// The last request arrives a delay before the end, its answer at the end.
		cut := c.now().Add(requests*2*delay - delay/2)
		hung := make(chan struct{})
		go func() {
			defer close(hung)
			c.sleepUntil(cut)
			link.HangReplies()
		}()
		err := call(c.within(requests*2*delay + short))
		<-hung
		switch {
		case err == nil: // too late
			link.Heal()
			undo()
		case isDefinite(err):
			c.Fatalf("%s: got %v, which is definite, though no answer could have come", what, err)
		case done():
			return
		}
	}
	c.Fatalf("%s was never carried out without its answer arriving, %d times in a row", what, tries)
}

// acquireUnanswered returns whom the key then names.
func (c *cluster) acquireUnanswered(a dcs.DCS, link Link, b dcs.DCS) (h *dcs.Holder) {
	c.Helper()
	c.unanswered(a, link, "AttemptToAcquireLeader", func(ctx context.Context) error {
		_, err := a.AttemptToAcquireLeader(ctx)
		return err
	}, func() {
		if h := c.read(b).Leader; h != nil {
			if err := a.ReleaseLeader(c.ctx, dcs.Lease{ID: h.Grant}); !errors.Is(err, dcs.ErrLost) { // on a slow machine it may have ended
				c.must("ReleaseLeader", err)
			}
		}
	}, func() bool {
		h = c.read(b).Leader
		return h != nil
	})
	return h
}

func acquireSettled(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
	h := c.acquireUnanswered(a, link, b)
	_, err := b.AttemptToAcquireLeader(c.ctx)
	c.wantRefused("another's attempt", err, dcs.ErrHeld, "a")
	link.Heal()
	l := c.acquire(a)
	if now := c.read(b).Leader; l.ID != h.Grant || now == nil || *now != *h {
		c.Errorf("the lease is %+v, the holder was %+v and is %+v", l, h, now)
	}
	c.update(a, l)
}

func acquireEnded(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
	a.SetTTL(c.suite.MinTTL)
	h := c.acquireUnanswered(a, link, b)
	c.waitUnlocked(b)
	link.Heal()
	l := c.acquire(a)
	if l.ID == h.Grant {
		c.Errorf("two grants have the ID %q", l.ID)
	}
	c.update(a, l)
}

func renewalWithoutReply(c *cluster, a dcs.DCS, link Link, b dcs.DCS) {
	l := c.acquire(a)
	var write dcs.Write
	prepare := func() {
		n := c.read(b).Documents[dcs.SyncKey]
		write = dcs.Write{Key: dcs.SyncKey, Value: append(n.Value, 'x'), Prev: n.Version}
	}
	prepare()
	c.unanswered(a, link, "UpdateLeader", func(ctx context.Context) error {
		_, err := a.UpdateLeader(ctx, l, write)
		return err
	}, prepare, func() bool {
		return string(c.read(b).Documents[dcs.SyncKey].Value) == string(write.Value)
	})
	link.Heal()
	doc := c.read(a).Documents[dcs.SyncKey]
	next := c.update(a, l, dcs.Write{Key: dcs.SyncKey, Value: []byte("3"), Prev: doc.Version})
	if next.ID != l.ID {
		c.Errorf("the ID changed from %q to %q", l.ID, next.ID)
	}
	c.wantDocument(b, dcs.SyncKey, "3", dcs.Any)
}

func (s *suite) server(t *testing.T) {
	t.Run("opened while it is frozen", func(t *testing.T) {
		t.Parallel()
		c := s.cluster(t, s.Start(t))
		c.open("a", long) // what an operator makes for a member is there
		c.store.Server.Freeze()
		a := c.open("a", long)
		c.wantNoAnswer(a, dcs.Lease{ID: "none"})
		c.store.Server.Thaw()
		c.update(a, c.acquire(a))
	})
	t.Run("a handle is closed while it is frozen", func(t *testing.T) {
		t.Parallel()
		c := s.cluster(t, s.Start(t))
		a := c.store.Open(c, Options{Path: c.path, Name: "a", TTL: long})
		l := c.acquire(a)
		c.store.Server.Freeze()
		var calls []func()
		for name, call := range verbs(a, l) {
			calls = append(calls, func() {
				if err := call(c.ctx); err == nil || isDefinite(err) {
					c.Errorf("%s: got %v, though no answer could have come", name, err)
				}
			})
		}
		calls = append(calls, func() {
			c.sleepUntil(c.now().Add(short)) // the calls are under way
			c.must("Close", a.Close())
		})
		parallel(calls...)
		c.must("the time that calls have", c.ctx.Err())
		c.store.Server.Thaw()
	})
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		c := s.cluster(t, s.Start(t))
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		c.touch(b, dcs.Member{State: "running"})
		hints := b.Watch(c.ctx)
		c.wantHint(hints, "the watch stands")
		c.store.Server.Freeze()
		c.wantNoAnswer(a, l)
		c.store.Server.Thaw()
		c.update(a, l)
		c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
		c.settle(hints)
		c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{1}"), Prev: dcs.Any})
		c.wantHint(hints, "a change after the thaw")
	})
	t.Run("restarted", func(t *testing.T) {
		t.Parallel()
		c := s.cluster(t, s.Start(t))
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		c.touch(a, dcs.Member{State: "running"})
		lineage := c.read(b).Leader.Lineage
		hints := b.Watch(c.ctx)
		c.wantHint(hints, "the watch stands")
		c.settle(hints)
		c.store.Server.Restart()
		c.wantHint(hints, "the server is back")
		l = c.update(a, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any})
		c.touch(a, dcs.Member{State: "running"})
		s := c.read(b)
		if s.Leader == nil || s.Leader.Grant != l.ID || s.Leader.Lineage != lineage || len(s.Documents) != 2 {
			c.Errorf("after a restart: %+v, holder %+v", s, s.Leader)
		}
	})
}
