// Package storetest is what the tests of several stores need beside the suite that
// all of them pass, package dcstest.
package storetest

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// Patience bounds what must happen at some time.
const Patience = 30 * time.Second

// Main is the body of a TestMain: no goroutine is left at the end.
func Main(m *testing.M) {
	flag.Parse()
	// Most of the suite waits for leases to end: more tests than cores at once.
	flag.Set("test.parallel", "16")
	code := testenv.Tests(m)
	if err := goleak.Find(); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// Patient is a context for all of a test.
func Patient(t *testing.T) context.Context { return Within(t, 2*Patience) }

// Within is a context for one call.
func Within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// SleepUntil waits for an instant at which the test does the next thing, not for
// something to have happened.
func SleepUntil(at clock.Instant) {
	timer := clock.System().NewTimer(at)
	defer timer.Stop()
	<-timer.C()
}

// Life is what a member does all day; it ends with the key held.
func Life(t *testing.T, d dcs.DCS) dcs.Lease {
	t.Helper()
	ctx := Patient(t)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("touch", d.Touch(ctx, dcs.Member{State: "running"}))
	l, err := d.AttemptToAcquireLeader(ctx)
	must("acquire", err)
	l, err = d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any})
	must("renew", err)
	must("touch again", d.Touch(ctx, dcs.Member{State: "running"}))
	s, err := d.Read(ctx)
	must("read", err)
	if s.Leader == nil || s.Leader.Grant != l.ID || len(s.Documents) != 2 {
		t.Fatalf("read %+v, holder %+v", s, s.Leader)
	}
	return l
}
