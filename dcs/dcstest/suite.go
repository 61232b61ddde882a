package dcstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	s := newSuite(t, h)
	groups := map[string]func(*testing.T){
		"documents": s.documents, "values": s.values, "members": s.members, "observer": s.observer,
		"acquire": s.acquire, "renew": s.renew, "release": s.release, "resume": s.resume,
		"ttl": s.ttl, "close": s.closing, "watch": s.watch, "freeze": s.freeze, "model": s.model,
	}
	maps.Copy(groups, s.faults())
	run(t, groups)
}

// RunFaults runs only the groups that break something, for a store that has been
// through Run and is set up otherwise: with several servers, say. It needs a link
// or a server.
func RunFaults(t *testing.T, h Harness) {
	groups := newSuite(t, h).faults()
	if len(groups) == 0 {
		t.Fatal("dcstest: Store.OpenLinked or Store.Server must be set")
	}
	run(t, groups)
}

func newSuite(t *testing.T, h Harness) *suite {
	t.Helper()
	if h.Start == nil || h.MinTTL <= 0 || h.Late <= 0 || h.Largest <= 0 {
		t.Fatal("dcstest: Harness.Start, MinTTL, Late and Largest must be set")
	}
	if h.Clock == nil {
		h.Clock = clock.System()
	}
	if h.Names == nil {
		h.Names = []string{"a", "a b", "node-0.example.org", "ü", "a/b", "%2F", "members"}
	}
	s := &suite{Harness: h, shared: h.Start(t)}
	any := s.shared.Open(t, Options{Path: dcs.Path{Scope: "any"}, TTL: long})
	t.Cleanup(func() { any.Close() })
	s.lasts = any.LeaseFor
	return s
}

// faults are the groups that break what the store has.
func (s *suite) faults() map[string]func(*testing.T) {
	groups := map[string]func(*testing.T){}
	if s.shared.OpenLinked != nil {
		groups["link"] = s.link
	}
	if s.shared.Server != nil {
		groups["server"] = s.server
	}
	return groups
}

func run(t *testing.T, groups map[string]func(*testing.T)) {
	for name, group := range groups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group(t)
		})
	}
}

// suite is what all tests share.
type suite struct {
	Harness
	shared   Store
	lasts    func(ttl time.Duration) time.Duration // LeaseFor
	clusters atomic.Int64
}

const (
	// long is a TTL that doesn't end within a test.
	long = time.Minute
	// patience bounds what must happen at some time.
	patience = 30 * time.Second
)

// cluster is an empty cluster for one test, which runs in parallel with others.
type cluster struct {
	*testing.T
	suite *suite
	store Store
	path  dcs.Path
	ctx   context.Context
}

// in makes a test of a function that wants a cluster in the shared store.
func (s *suite) in(t *testing.T, name string, test func(c *cluster)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(s.cluster(t, s.shared))
	})
}

func (s *suite) cluster(t *testing.T, store Store) *cluster {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	scope := fmt.Sprintf("cluster-%d", s.clusters.Add(1))
	return &cluster{T: t, suite: s, store: store, path: dcs.Path{Scope: scope}, ctx: ctx}
}

// open returns a handle that is closed with the test.
func (c *cluster) open(name string, ttl time.Duration) dcs.DCS {
	c.Helper()
	return c.closed(c.store.Open(c, Options{Path: c.path, Name: name, TTL: ttl}))
}

func (c *cluster) openLinked(name string, ttl time.Duration) (dcs.DCS, Link) {
	c.Helper()
	d, link := c.store.OpenLinked(c, Options{Path: c.path, Name: name, TTL: ttl})
	return c.closed(d), link
}

func (c *cluster) closed(d dcs.DCS) dcs.DCS {
	c.Cleanup(func() {
		if err := d.Close(); err != nil {
			c.Errorf("Close: %v", err)
		}
	})
	return d
}

// within is a context for one call.
func (c *cluster) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	c.Cleanup(cancel)
	return ctx
}

func (c *cluster) now() clock.Instant { return c.suite.Clock.Now() }

// sleepUntil waits for an instant of the clock that leases are counted on.
func (c *cluster) sleepUntil(at clock.Instant) {
	timer := c.suite.Clock.NewTimer(at)
	defer timer.Stop()
	<-timer.C()
}

// must ends the test on an error.
func (c *cluster) must(what string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

func (c *cluster) read(d dcs.DCS) dcs.Snapshot {
	c.Helper()
	s, err := d.Read(c.ctx)
	c.must("Read", err)
	return s
}

func (c *cluster) acquire(d dcs.DCS) dcs.Lease {
	c.Helper()
	before := c.now()
	l, err := d.AttemptToAcquireLeader(c.ctx)
	c.must("AttemptToAcquireLeader", err)
	c.checkLease(l, before)
	return l
}

func (c *cluster) update(d dcs.DCS, l dcs.Lease, docs ...dcs.Write) dcs.Lease {
	c.Helper()
	before := c.now()
	l, err := d.UpdateLeader(c.ctx, l, docs...)
	c.must("UpdateLeader", err)
	c.checkLease(l, before)
	return l
}

// checkLease looks at a lease that a call begun at before has extended.
func (c *cluster) checkLease(l dcs.Lease, before clock.Instant) {
	c.Helper()
	if l.ID == "" || l.For <= 0 {
		c.Errorf("the lease is %+v: ID and For must be set", l)
	}
	if l.Since.Before(before) || l.Since.After(c.now()) {
		c.Errorf("Since is %v after the call began and %v before it returned", l.Since.Sub(before), c.now().Sub(l.Since))
	}
}

func (c *cluster) touch(d dcs.DCS, m dcs.Member) {
	c.Helper()
	c.must("Touch", d.Touch(c.ctx, m))
}

func (c *cluster) put(d dcs.DCS, w dcs.Write) dcs.Version {
	c.Helper()
	v, err := d.Put(c.ctx, w)
	c.must("Put "+string(w.Key), err)
	return v
}

// wantRefused wants a definite no that names the holder; empty: the key is absent.
func (c *cluster) wantRefused(what string, err, want error, holder string) {
	c.Helper()
	var refused *dcs.RefusedError
	if !errors.Is(err, want) || !errors.As(err, &refused) {
		c.Fatalf("%s: got %v, want a RefusedError with %q", what, err, want)
	}
	got := ""
	if refused.Holder != nil {
		got = refused.Holder.Name
	}
	if got != holder {
		c.Errorf("%s: the refusal names %q as holder, want %q", what, got, holder)
	}
}

// wantUnknown wants an error that leaves the outcome open.
func (c *cluster) wantUnknown(what string, err error) {
	c.Helper()
	if err == nil {
		c.Fatalf("%s succeeded, though no answer could have come", what)
	}
	for _, definite := range []error{dcs.ErrHeld, dcs.ErrLost, dcs.ErrConflict} {
		if errors.Is(err, definite) {
			c.Fatalf("%s: got %v, which is definite, though no answer could have come", what, err)
		}
	}
}

// eventually polls until check returns nil.
func (c *cluster) eventually(what string, check func() error) {
	c.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("waited %v for %s: %v", patience, what, err)
		}
		c.sleepUntil(c.now().Add(10 * time.Millisecond))
	}
}

// waitUnlocked waits for the leader key to end by itself, and until it can be had
// again.
func (c *cluster) waitUnlocked(d dcs.DCS) {
	c.Helper()
	c.eventually("the leader key to end", func() error {
		if s := c.read(d); s.Leader != nil {
			return fmt.Errorf("%s holds it", s.Leader.Name)
		}
		return nil
	})
	c.sleepUntil(c.now().Add(c.suite.Delay))
}

// waitVanished waits until a member's entry has ended by itself, where it does.
func (c *cluster) waitVanished(d dcs.DCS, name string) {
	c.Helper()
	if !c.suite.EntriesStay {
		c.waitMember(d, name, false)
	}
}

// waitMember waits until a member's entry is there, or not.
func (c *cluster) waitMember(d dcs.DCS, name string, there bool) {
	c.Helper()
	c.eventually(fmt.Sprintf("the entry of %s there: %v", name, there), func() error {
		if _, ok := c.read(d).Documents[dcs.MemberKey(name)]; ok != there {
			return errors.New("not yet")
		}
		return nil
	})
}

// parallel runs all functions at once and waits for their end.
func parallel(fs ...func()) {
	done := make(chan struct{})
	for _, f := range fs {
		go func() {
			defer func() { done <- struct{}{} }()
			f()
		}()
	}
	for range fs {
		<-done
	}
}
