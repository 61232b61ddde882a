package dcstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// freeze proves the one promise that keeps two primaries apart: whatever a member
// did last, and the thing before that, if it does nothing any more the key stays
// until Since+For of the lease that it was given last. Between the verbs time
// passes, so that a lease counted from the wrong one shows.
func (s *suite) freeze(t *testing.T) {
	c := s.cluster(t, s.shared)
	var wg sync.WaitGroup
	turns := make(chan struct{}, 48) // mostly asleep, but a machine must keep up
	for _, begin := range leaseBegins {
		for _, one := range leaseVerbs {
			for _, two := range leaseVerbs {
				if begin.name != leaseBegins[0].name && two.name != leaseVerbs[0].name {
					continue // all pairs after a plain acquire, single verbs after the others
				}
				run := *c
				run.path.Scope = fmt.Sprintf("%s-%d", c.path.Scope, s.clusters.Add(1))
				wg.Go(func() {
					turns <- struct{}{}
					defer func() { <-turns }()
					run.freezeAfter(begin, one, two)
				})
			}
		}
	}
	wg.Wait()
}

// frozen is the member whose last acts are looked at, and another.
type frozen struct {
	*cluster
	ttl      time.Duration
	a, other dcs.DCS
	lease    dcs.Lease
	value    int
}

// leaseVerb is something a member does; an error ends the test.
type leaseVerb struct {
	name string
	do   func(f *frozen) error
}

var leaseBegins = []leaseVerb{
	{"acquire", func(f *frozen) (err error) {
		f.lease, err = f.a.AttemptToAcquireLeader(f.ctx)
		return err
	}},
	{"acquire after a refused attempt", func(f *frozen) error {
		l, err := f.other.AttemptToAcquireLeader(f.ctx)
		if err != nil {
			return err
		}
		if _, err := f.a.AttemptToAcquireLeader(f.ctx); !errors.Is(err, dcs.ErrHeld) {
			return fmt.Errorf("got %v, want ErrHeld", err)
		}
		f.pause()
		if err := f.other.ReleaseLeader(f.ctx, l); err != nil {
			return err
		}
		f.lease, err = f.a.AttemptToAcquireLeader(f.ctx)
		return err
	}},
	{"resume by a new handle", func(f *frozen) error {
		var err error
		if f.lease, err = f.a.AttemptToAcquireLeader(f.ctx); err != nil {
			return err
		}
		f.pause()
		f.a = f.open("a", f.ttl)
		l, err := f.a.ResumeLeader(f.ctx, f.lease.ID)
		if err == nil {
			f.lease = l
		}
		return err
	}},
}

var leaseVerbs = []leaseVerb{
	{"nothing", func(*frozen) error { return nil }},
	{"update", func(f *frozen) error { return f.renewed() }},
	{"update with a document", func(f *frozen) error {
		f.value++
		return f.renewed(dcs.Write{Key: dcs.StatusKey, Value: fmt.Append(nil, f.value), Prev: dcs.Any})
	}},
	{"update with a conflict", func(f *frozen) error {
		l, err := f.a.UpdateLeader(f.ctx, f.lease, dcs.Write{Key: dcs.ConfigKey, Value: []byte("x"), Prev: dcs.Absent})
		if !errors.Is(err, dcs.ErrConflict) {
			return fmt.Errorf("got %v, want ErrConflict", err)
		}
		f.lease = l
		return nil
	}},
	{"update of another grant", func(f *frozen) error {
		return wantErr(dcs.ErrLost)(f.a.UpdateLeader(f.ctx, dcs.Lease{ID: "1"}))
	}},
	{"attempt", func(f *frozen) error { return wantErr(dcs.ErrHeld)(f.a.AttemptToAcquireLeader(f.ctx)) }},
	{"resume", func(f *frozen) error {
		l, err := f.a.ResumeLeader(f.ctx, f.lease.ID)
		if err == nil {
			f.lease = l
		}
		return err
	}},
	{"longer TTL", func(f *frozen) error {
		f.ttl += f.suite.MinTTL
		f.a.SetTTL(f.ttl)
		return f.renewed()
	}},
	{"longer TTL, not renewed", func(f *frozen) error {
		f.ttl += f.suite.MinTTL
		f.a.SetTTL(f.ttl)
		return nil
	}},
	{"touch", func(f *frozen) error { return f.a.Touch(f.ctx, dcs.Member{State: "running"}) }},
	{"read", func(f *frozen) error { _, err := f.a.Read(f.ctx); return err }},
}

func wantErr(want error) func(dcs.Lease, error) error {
	return func(_ dcs.Lease, err error) error {
		if !errors.Is(err, want) {
			return fmt.Errorf("got %v, want %q", err, want)
		}
		return nil
	}
}

func (f *frozen) renewed(docs ...dcs.Write) error {
	l, err := f.a.UpdateLeader(f.ctx, f.lease, docs...)
	if err == nil {
		f.lease = l
	}
	return err
}

// pause is as long as fits twice into a lease, with room for a slow machine.
func (f *frozen) pause() { f.sleepUntil(f.now().Add(f.suite.lasts(f.suite.MinTTL) * 3 / 10)) }

func (c *cluster) freezeAfter(verbs ...leaseVerb) {
	const tries = 5
	var slow error
	for try := range tries {
		run := *c
		run.path.Scope += fmt.Sprintf("-%d", try)
		ctx, cancel := context.WithTimeout(c.Context(), 2*patience)
		defer cancel()
		run.ctx = ctx
		f := &frozen{cluster: &run, ttl: c.suite.MinTTL}
		err := f.run(verbs)
		switch {
		case err == nil:
			return
		case !errors.Is(err, errTooSlow):
			c.Errorf("%s, %s, %s: %v", verbs[0].name, verbs[1].name, verbs[2].name, err)
			return
		}
		slow = err
	}
	c.Errorf("%s, %s, %s: %d times in a row: %v", verbs[0].name, verbs[1].name, verbs[2].name, tries, slow)
}

var errTooSlow = errors.New("the machine was too slow to tell")

func (f *frozen) run(verbs []leaseVerb) error {
	f.a, f.other = f.open("a", f.ttl), f.open("b", long)
	if err := f.open("", long).RemoveCluster(f.ctx); err != nil {
		return err
	}
	if _, err := f.other.Put(f.ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
		return err
	}
	for i, verb := range verbs {
		if i > 0 {
			f.pause()
		}
		if err := verb.do(f); err != nil {
			if f.lease.ID != "" && !f.now().Before(f.lease.End()) {
				return errTooSlow
			}
			return fmt.Errorf("%s: %w", verb.name, err)
		}
	}
	return f.observe()
}

// observe looks at the key shortly before the lease's end, then until it is gone.
func (f *frozen) observe() error {
	end, proven := f.lease.End(), clock.Instant(0)
	for _, before := range []time.Duration{f.lease.For / 4, f.lease.For / 8, f.lease.For / 20} {
		f.sleepUntil(end.Add(-before))
		s, err := f.other.Read(f.ctx)
		if err != nil {
			return err
		}
		switch left := end.Sub(f.now()); {
		case s.Leader != nil && s.Leader.Grant == f.lease.ID:
			proven = s.Sent
		case left > 0:
			return fmt.Errorf("the key went %v before the end of the lease %+v; the holder is %+v", left, f.lease, s.Leader)
		}
	}
	if proven.Before(end.Add(-f.lease.For / 3)) {
		return errTooSlow
	}
	latest := end.Add(f.suite.Late + patience)
	for {
		s, err := f.other.Read(f.ctx)
		switch {
		case err != nil:
			return err
		case s.Leader == nil:
			return nil
		case f.now().After(latest):
			return fmt.Errorf("nobody renewed the lease %+v, and the key is still there", f.lease)
		}
		f.sleepUntil(f.now().Add(50 * time.Millisecond))
	}
}
