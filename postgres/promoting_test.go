package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
)

// promoting asks the standby, and fails if it is something else than what is wanted.
func (f *fixture) promoting(when string, want bool) {
	f.t.Helper()
	got, err := f.Promoting(testContext(f.t))
	if err != nil || got != want {
		f.t.Errorf("%s: Promoting says %v, %v, want %v", when, got, err, want)
	}
}

// A promotion is seen from its request to its end, whatever state it is in, and the
// look changes nothing.
func TestPromoting(t *testing.T) {
	hold := filepath.Join(t.TempDir(), "hold")
	must(t, os.WriteFile(hold, nil, 0o600))
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", func(_ *Options, s *Settings) {
		s.RecoveryConf = map[string]string{"recovery_end_command": "while [ -e " + hold + " ]; do sleep 0.02; done"}
	})
	ctx := testContext(t)
	r.promoting("a standby", false)
	r.sql("SELECT pg_wal_replay_pause()")
	r.promoting("paused", false)
	if paused := r.text("SELECT pg_is_wal_replay_paused()::text"); paused != "true" {
		t.Errorf("it was paused, and after the look that is %s", paused)
	}
	r.sql("SELECT pg_wal_replay_resume()")
	if _, err := p.Promoting(ctx); err != nil {
		t.Errorf("a primary: %v", err)
	}

	startup, err := strconv.Atoi(r.text("SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'startup'"))
	must(t, err)
	must(t, syscall.Kill(startup, syscall.SIGSTOP))
	must(t, r.Promote(ctx, clock.System().Now().Add(limit)))
	r.promoting("asked for", true)
	must(t, syscall.Kill(startup, syscall.SIGCONT))
	until(t, ctx, "the startup process to notice", func() bool {
		_, err := os.Stat(r.dataPath("promote"))
		return errors.Is(err, os.ErrNotExist)
	})
	r.promoting("noticed", true)
	must(t, os.Remove(hold))
	must(t, r.AwaitPrimary(ctx))
	must(t, r.Stop(ctx, Stop{Mode: StopFast}))
	if _, err := r.Promoting(ctx); err == nil {
		t.Error("of a server that doesn't run it can be told")
	}
}

// until waits for a condition.
func until(t *testing.T, ctx context.Context, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		}
	}
}
