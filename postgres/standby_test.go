package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestStandbyStreamsAndIsPromoted(t *testing.T) {
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", nil)
	ctx := testContext(t)
	st := r.Status(ctx)
	if st.Role != RoleReplica || st.Receiver == nil || st.Receiver.Port != p.port || st.Timeline != 1 || !st.Standby {
		t.Errorf("standby: %+v", st)
	}
	p.sql("CREATE TABLE t AS SELECT 1 AS i")
	at := p.Status(ctx)
	r.await("caught up", func(st Status) bool { return st.Replayed >= at.Location })
	if len(at.Replication) != 1 || at.Replication[0].Application != "r1" || at.Replication[0].State != "streaming" || at.Replication[0].Sent == 0 {
		t.Errorf("pg_stat_replication: %+v", at.Replication)
	}
	if err := r.Promote(ctx, clock.System().Now().Add(-time.Millisecond)); err == nil {
		t.Fatal("promoted after its time")
	}
	if _, err := os.Stat(r.dataPath("promote")); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a late promotion left its signal file")
	}
	must(t, p.Stop(ctx, Stop{Mode: StopFast}))
	begin := time.Now()
	must(t, r.Promote(ctx, clock.System().Now().Add(limit)))
	must(t, r.AwaitPrimary(ctx))
	t.Logf("promoted in %v", time.Since(begin))
	if st := r.Status(ctx); st.Role != RolePrimary || st.Timeline != 2 || st.Standby || st.Receiver != nil {
		t.Errorf("promoted: %+v", st)
	}
	must(t, r.Promote(ctx, clock.System().Now().Add(limit))) // of a primary: nothing
	if _, err := r.Follow(ctx, p.upstream()); err == nil {
		t.Error("Follow on a primary")
	}
}

func TestPrePromoteForbids(t *testing.T) {
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", func(_ *Options, s *Settings) { s.PrePromote = "sh -c 'echo no way; exit 3'" })
	ctx := testContext(t)
	err := r.PrePromote(ctx)
	if !errors.Is(err, ErrPrePromote) || !strings.Contains(err.Error(), "no way") {
		t.Errorf("got %v", err)
	}
	if st := r.Status(ctx); st.Role != RoleReplica {
		t.Errorf("promoted all the same: %+v", st)
	}
}

// What runs before a promotion ends with its context, at the latest when it had time to
// obey a SIGTERM.
func TestPrePromoteEndsWithItsContext(t *testing.T) {
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", func(_ *Options, s *Settings) { s.PrePromote = "sleep 600" })
	ctx, cancel := context.WithTimeout(testContext(t), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := r.PrePromote(ctx); !errors.Is(err, ErrPrePromote) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// A primary start is the only thing that takes standby.signal away, and only
// with a permit.
func TestStandbySignalStaysWithoutPermit(t *testing.T) {
	f := newStopped(t, nil)
	ctx := testContext(t)
	must(t, f.writeSignal("standby.signal"))
	has := func() bool { _, err := os.Stat(f.dataPath("standby.signal")); return err == nil }
	for name, p := range map[string]Permit{
		"no permit": {}, "an old one": {NotAfter: clock.System().Now().Add(-time.Nanosecond)},
	} {
		if err := f.StartPrimary(ctx, p); !errors.Is(err, ErrNotPermitted) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if !has() {
		t.Fatal("a forbidden start took standby.signal away")
	}
	f.opts.Launcher = failing{}
	if err := f.StartPrimary(ctx, permit()); err == nil || !has() {
		t.Fatalf("a failed launch: %v, standby.signal there: %v", err, has())
	}
	f.opts.Launcher = mortal{}
	must(t, f.StartStandby(ctx, Upstream{}))
	f.await("replica", runs(RoleReplica))
	must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
	if has() {
		t.Error("standby.signal is still there")
	}
}

func TestNudgeResumesStreaming(t *testing.T) {
	slow := func(_ *Options, s *Settings) { s.Parameters["wal_retrieve_retry_interval"] = "60s" }
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", slow)
	ctx := testContext(t)
	must(t, p.Stop(ctx, Stop{Mode: StopFast}))
	r.await("without receiver", func(st Status) bool { return st.Receiver == nil })
	// It tries once more before it begins to wait.
	awaitLog(t, r, "could not connect to the primary server")
	must(t, p.StartPrimary(ctx, permit()))
	p.await("primary", runs(RolePrimary))
	begin := time.Now()
	must(t, r.Nudge(ctx))
	r.await("streaming", streams)
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("streaming only after %v", d)
	} else {
		t.Logf("streaming %v after the nudge", d)
	}
}

func awaitLog(t *testing.T, f *fixture, text string) {
	t.Helper()
	testenv.Eventually(t, limit, fmt.Sprintf("the log of %s to say %q", f.options.Name, text), func() error {
		log, err := os.ReadFile(f.logFile())
		if err == nil && !containsText(log, text) {
			err = errors.New("it doesn't")
		}
		return err
	})
}

// What a Recover leaves behind whose caller was killed runs on, and no reload
// makes it follow anybody.
func TestFollowAfterAbandonedRecovery(t *testing.T) {
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", nil)
	ctx := testContext(t)
	must(t, r.Stop(ctx, Stop{Mode: StopFast}))
	control, err := r.readControl(ctx)
	must(t, err)
	c, err := r.prepare(ctx, Upstream{}, control)
	must(t, err)
	dir, err := os.MkdirTemp("", "r") // short: it gets a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c.arguments = isolate(c.arguments, dir, nil)
	must(t, r.startReadOnly(ctx, c))
	r.await("replica", runs(RoleReplica))
	restarted, err := r.Follow(ctx, p.upstream())
	must(t, err)
	if !restarted {
		t.Error("a reload was believed to be enough")
	}
	r.await("streaming", streams)
}

func TestFollow(t *testing.T) {
	p := newPrimary(t, nil)
	r1 := newStandby(t, p, "r1", nil)
	r2 := newStandby(t, p, "r2", nil)
	ctx := testContext(t)
	pid := r2.Status(ctx).PID
	follow := func(up Upstream, restarts bool) {
		t.Helper()
		restarted, err := r2.Follow(ctx, up)
		must(t, err)
		if restarted != restarts {
			t.Errorf("follow %v: restarted: %v", up, restarted)
		}
	}
	loaded := func() string { return r2.text("SELECT pg_conf_load_time()::text") }
	at := loaded()
	follow(p.upstream(), false)
	if now := loaded(); now != at {
		t.Error("following the same upstream reloaded the configuration")
	}
	follow(r1.upstream(), false)
	r2.await("cascading", func(st Status) bool { return streams(st) && st.Receiver.Port == r1.port })
	follow(Upstream{}, false)
	r2.await("following nobody", func(st Status) bool { return st.Receiver == nil })
	if st := r2.Status(ctx); st.PID != pid || st.ReplicationState() != "" {
		t.Errorf("following nobody: %+v", st)
	}
	// A new agent that was told nothing yet must not undo it.
	follow(p.upstream(), false)
	r2.await("streaming", streams)
	second, err := New(r2.options, r2.settings)
	must(t, err)
	defer second.Close()
	before, err := os.ReadFile(r2.mainConf())
	must(t, err)
	must(t, second.Reload(ctx))
	after, err := os.ReadFile(r2.mainConf())
	must(t, err)
	if d := cmp.Diff(string(before), string(after)); d != "" {
		t.Errorf("a reload by a new Server changed the configuration (-before +after):\n%s", d)
	}
	must(t, os.Remove(r2.dataPath("standby.signal")))
	follow(p.upstream(), true)
	if st := r2.await("streaming", streams); st.PID == pid || !st.Standby {
		t.Errorf("after a restart: %+v", st)
	}
}

type failing struct{}

func (failing) Launch(context.Context, Command) (int, error) { return 0, errors.New("no launch today") }

// A walsender whose standby is frozen holds a fast stop until wal_sender_timeout.
func TestStopHeldByFrozenStandby(t *testing.T) {
	p := newPrimary(t, func(_ *Options, s *Settings) { s.Parameters["wal_sender_timeout"] = "10min" })
	r := newStandby(t, p, "r1", nil)
	ctx := testContext(t)
	receiver, err := r.childTitled("walreceiver")
	must(t, err)
	if receiver == nil {
		t.Fatal("no WAL receiver found")
	}
	defer receiver.close()
	must(t, receiver.signal(syscall.SIGSTOP))
	p.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	shut := make(chan Control, 2)
	begin := time.Now()
	must(t, p.Stop(ctx, Stop{Mode: StopFast, Escalate: limit, OnShutdown: func(c Control) { shut <- c }}))
	t.Logf("stopped in %v", time.Since(begin))
	if len(shut) != 1 {
		t.Errorf("OnShutdown was called %d times", len(shut))
	}
	if st := p.Status(ctx); !st.Control.CleanShutdown() {
		t.Errorf("not stopped in order: %+v", st.Control)
	}
	must(t, receiver.signal(syscall.SIGCONT))
}

// A walsender whose title says nothing may be sending all the while.
func TestStopWaitsForStandbyWithoutTitles(t *testing.T) {
	p := newPrimary(t, func(_ *Options, s *Settings) { s.Parameters["update_process_title"] = "off" })
	r := newStandby(t, p, "r1", nil)
	ctx := testContext(t)
	receiver, err := r.childTitled("walreceiver")
	must(t, err)
	if receiver == nil {
		t.Fatal("no WAL receiver found")
	}
	defer receiver.close()
	must(t, receiver.signal(syscall.SIGSTOP))
	p.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	var thawed atomic.Bool
	time.AfterFunc(drainStuck+time.Second, func() { // slow, not stuck
		thawed.Store(true)
		_ = receiver.signal(syscall.SIGCONT)
	})
	must(t, p.Stop(ctx, Stop{Mode: StopFast, Escalate: limit}))
	if !thawed.Load() {
		t.Error("it didn't wait for its standby")
	}
}

func TestStopEscalates(t *testing.T) {
	p := newPrimary(t, func(_ *Options, s *Settings) {
		s.Parameters["archive_mode"] = "on"
		s.Parameters["archive_command"] = "sleep 600"
	})
	ctx := testContext(t)
	p.sql("SELECT pg_switch_wal()")
	begin := time.Now()
	must(t, p.Stop(ctx, Stop{Mode: StopFast, Escalate: 500 * time.Millisecond}))
	t.Logf("stopped in %v", time.Since(begin))
	if left, err := p.serverProcesses(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v %v", left, err)
	}
	if st := p.Status(ctx); !st.Control.CleanShutdown() {
		t.Errorf("an immediate stop after the shutdown checkpoint: %+v", st.Control)
	}
}

func TestRecover(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	f.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
	at := f.Status(ctx).Location
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate}))
	must(t, f.Recover(ctx))
	st := f.Status(ctx)
	if st.State != StateStopped || st.Control.State != "shut down in recovery" || !st.Standby || st.Timeline != 1 || st.Location < at {
		t.Errorf("recovered, with WAL up to %v: %+v %+v", at, st, st.Control)
	}
	if log, err := os.ReadFile(f.logFile()); err != nil || strings.Count(string(log), "listening on IPv4") != 1 {
		t.Errorf("it could be reached while it recovered: %v\n%s", err, log)
	}
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
	if n := f.text("SELECT count(*) FROM t"); n != "1000" {
		t.Errorf("%s rows", n)
	}
}

// cancelling launches and ends a context then.
type cancelling struct {
	mortal
	cancel context.CancelFunc
}

func (c cancelling) Launch(ctx context.Context, command Command) (int, error) {
	pid, err := c.mortal.Launch(ctx, command)
	c.cancel()
	return pid, err
}

func TestCancelledRecoveryLeavesNothingRunning(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	f.sql("CREATE TABLE t AS SELECT generate_series(1, 200000) i")
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate}))
	short, cancel := context.WithCancel(ctx)
	f.opts.Launcher = cancelling{cancel: cancel}
	if err := f.Recover(short); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := f.serverProcesses(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v %v", left, err)
	}
	if st := f.Status(ctx); !st.Standby || st.State != StateStopped {
		t.Errorf("%+v", st)
	}
	f.opts.Launcher = mortal{}
	must(t, f.Recover(ctx))
}

// Recovery needs the memory that the primary had.
func TestRecoverWithLargerLimits(t *testing.T) {
	f := newPrimary(t, func(_ *Options, s *Settings) { s.Parameters["max_connections"] = "130" })
	ctx := testContext(t)
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate}))
	delete(f.settings.Parameters, "max_connections")
	must(t, f.Configure(f.settings))
	must(t, f.Recover(ctx))
}

// The timeline is known also to a Server that came when no WAL receiver ran any more.
func TestTimelineOfStandbyWithoutReceiver(t *testing.T) {
	p := newPrimary(t, nil)
	r := newStandby(t, p, "r1", nil)
	r2 := newStandby(t, p, "r2", nil)
	ctx := testContext(t)
	must(t, p.Stop(ctx, Stop{Mode: StopFast}))
	must(t, r.Promote(ctx, clock.System().Now().Add(limit)))
	must(t, r.AwaitPrimary(ctx))
	_, err := r2.Follow(ctx, r.upstream())
	must(t, err)
	r.sql("CREATE TABLE t AS SELECT 1")
	at := r.Status(ctx).Location
	r2.await("on timeline 2", func(st Status) bool { return st.Timeline == 2 && st.Replayed >= at })
	must(t, r.Stop(ctx, Stop{Mode: StopImmediate}))
	r2.await("without receiver", func(st Status) bool { return st.Receiver == nil })
	second, err := New(r2.options, r2.settings)
	must(t, err)
	defer second.Close()
	if st := second.Status(ctx); st.Timeline != 2 || st.Role != RoleReplica {
		t.Errorf("%+v with %+v", st, st.Control)
	}
}
