package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// Counts are the leases or sessions that a store keeps for two members, of whom
// one leads and only that one touches its entry.
type Counts struct {
	Renewed  int // the leader did all that a leader does, again and again
	Refused  int // the other one tried to lead
	Moved    int // a new TTL has come into force
	Released int // nobody leads
	Acquired int // the other one leads
}

// CheckCounts wants that nothing piles up. The members' TTL must be Patience at the
// least: what ends by itself doesn't count. Twice that TTL must be another lease.
func CheckCounts(t *testing.T, a, b dcs.DCS, ttl time.Duration, count func(context.Context) (int, error), want Counts) {
	t.Helper()
	ctx := Patient(t)
	check := func(when string, n int) {
		t.Helper()
		testenv.Eventually(t, Patience/2, fmt.Sprintf("%d %s", n, when), func() error {
			got, err := count(ctx)
			if err == nil && got != n {
				err = fmt.Errorf("it keeps %d", got)
			}
			return err
		})
	}
	touch := func() {
		t.Helper()
		if err := a.Touch(ctx, dcs.Member{State: "running"}); err != nil {
			t.Fatal(err)
		}
	}
	l := Life(t, a)
	for range 20 {
		var err error
		if l, err = a.UpdateLeader(ctx, l); err != nil {
			t.Fatal(err)
		}
		touch()
	}
	check("after renewals", want.Renewed)
	for range 5 {
		if _, err := b.AttemptToAcquireLeader(ctx); !errors.Is(err, dcs.ErrHeld) {
			t.Fatal(err)
		}
	}
	check("after refused attempts", want.Refused)
	a.SetTTL(2 * ttl)
	moved, err := a.UpdateLeader(ctx, l)
	if err != nil || moved.For != a.LeaseFor(2*ttl) || moved.For == l.For {
		t.Fatalf("moved from %+v to %+v, %v", l, moved, err)
	}
	touch()
	check("after key and entry were moved", want.Moved)
	if err := a.ReleaseLeader(ctx, moved); err != nil {
		t.Fatal(err)
	}
	check("after the release", want.Released)
	if _, err := b.AttemptToAcquireLeader(ctx); err != nil {
		t.Fatal(err)
	}
	check("after the other's acquire", want.Acquired)
}
