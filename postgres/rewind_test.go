package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// pair is a primary and its standby that streams.
func pair(t *testing.T, change func(*Options, *Settings)) (p, r *fixture) {
	t.Helper()
	p = newReplicable(t, "p1", change)
	p.sql("CREATE TABLE t (i int)", "INSERT INTO t VALUES (1)")
	return p, p.newReplica("r1", change)
}

// compare is Compare that must work.
func (f *fixture) compareWith(other *fixture) Ancestry {
	f.t.Helper()
	a, err := f.Compare(testContext(f.t), other.upstream())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("%s with %s: %+v", f.options.Name, other.options.Name, a)
	return a
}

func (f *fixture) stop() {
	f.t.Helper()
	must(f.t, f.Stop(testContext(f.t), Stop{Mode: StopFast}))
}

// crash kills every process of the server.
func (f *fixture) crash() {
	f.t.Helper()
	ctx := testContext(f.t)
	pm, err := f.running()
	must(f.t, err)
	must(f.t, f.killTree(ctx, pm))
}

// follow makes f, which is stopped, a standby of p that streams, and checks
// that it has what p has.
func (f *fixture) follow(p *fixture) {
	f.t.Helper()
	slot := f.options.Name
	must(f.t, p.SyncSlots(testContext(f.t), []WantedSlot{{Name: slot}}, nil))
	must(f.t, f.StartStandby(testContext(f.t), p.upstreamSlot(slot)))
	f.await("streaming", streams)
	p.catchUp(f)
	const all = "SELECT string_agg(i::text, ',' ORDER BY i) FROM t"
	if ours, theirs := f.text(all), p.text(all); ours != theirs {
		f.t.Errorf("%s has %.100s, %s has %.100s", f.options.Name, ours, p.options.Name, theirs)
	}
}

// TestMarkInside: where nothing can be written beside the data directory, or not
// for long, the mark is inside.
func TestMarkInside(t *testing.T) {
	p := newReplicable(t, "p1", func(o *Options, s *Settings) {
		parent := filepath.Join(filepath.Dir(o.DataDir), "closed")
		must(t, os.Mkdir(parent, 0o700))
		o.LogFile = filepath.Join(filepath.Dir(o.DataDir), "log")
		o.DataDir = filepath.Join(parent, "data")
		s.Parameters["unix_socket_directories"] = parent
	})
	p.sql("CREATE TABLE t (i int)", "INSERT INTO t VALUES (1)")
	r := p.newReplica("r1", nil)
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	s := p.withKilledRewind()
	parent := filepath.Dir(p.options.DataDir)
	must(t, os.Chmod(parent, 0o500))
	defer os.Chmod(parent, 0o700)
	if err := s.Rewind(ctx, r.upstream()); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("got %v", err)
	}
	if state, err := p.dataState(); state != DataIncomplete || err != nil {
		t.Fatalf("pg_rewind removed the mark: %s %v", state, err)
	}
	if err := p.Clone(ctx, r.upstreamSlot("p1"), nil); !errors.Is(err, syscall.EACCES) {
		t.Fatalf("what a rewind left was to be set aside, which can't be done: %v", err)
	}
	// Somebody empties it by hand.
	must(t, os.Chmod(parent, 0o700))
	must(t, os.RemoveAll(p.options.DataDir))
	must(t, os.Mkdir(p.options.DataDir, 0o700))
	must(t, os.Chmod(parent, 0o500))
	cancelled, cancel := context.WithCancel(ctx)
	if err := p.Clone(cancelled, r.upstreamSlot("p1"), func(Progress) { cancel() }); err == nil {
		t.Fatal("it wasn't cancelled")
	}
	if m, err := p.mark(); m.work != workClone || err != nil {
		t.Fatalf("%+v %v", m, err)
	}
	must(t, p.Clone(ctx, r.upstreamSlot("p1"), nil))
	if state, err := p.dataState(); state != DataValid || err != nil {
		t.Fatalf("%s %v", state, err)
	}
	must(t, os.Chmod(parent, 0o700))
	p.follow(r)
}

func TestSwitchoverLeavesFormerPrimaryOnHistory(t *testing.T) {
	p, r := pair(t, nil)
	if a := r.compareWith(p); a.Diverged {
		t.Error("a running standby diverged from its primary")
	}
	p.stop() // its walsender sends all, the record of the checkpoint too
	r.promoted()
	r.sql("INSERT INTO t VALUES (2)")
	if a := p.compareWith(r); a.Diverged {
		t.Errorf("a primary stopped in order, all of it received: %s", a.Reason)
	}
	lines, err := r.History(testContext(t), 2)
	must(t, err)
	if len(lines) != 1 || lines[0].Timeline != 1 || lines[0].Switch == 0 || lines[0].Reason == "" {
		t.Errorf("history of timeline 2: %+v", lines)
	}
	p.follow(r)
	if a := p.compareWith(r); a.Diverged {
		t.Errorf("streaming from it: %s", a.Reason)
	}
	if _, err := r.Compare(testContext(t), p.upstream()); err == nil {
		t.Error("a standby's history counted")
	}
	p.stop()
	if a := p.compareWith(r); a.Diverged {
		t.Errorf("a standby stopped in order: %s", a.Reason)
	}
}

// diverge crashes p with a row that r has not and promotes r. p has the higher
// position.
func diverge(t *testing.T, p, r *fixture) {
	t.Helper()
	p.catchUp(r)
	r.stop()
	p.sql("INSERT INTO t SELECT generate_series(100, 20000)")
	p.crash()
	must(t, r.StartStandby(testContext(t), Upstream{}))
	r.await("replica", runs(RoleReplica))
	r.promoted()
	r.sql("INSERT INTO t VALUES (3)")
}

func TestDivergedFormerPrimaryIsRewound(t *testing.T) {
	p, r := pair(t, nil)
	diverge(t, p, r)
	ctx := testContext(t)
	if _, err := p.Compare(ctx, r.upstream()); !errors.Is(err, ErrNeedsRecovery) {
		t.Errorf("compare after a crash: %v", err)
	}
	must(t, p.CanRewind(ctx))
	if err := p.Rewind(ctx, r.upstream()); !errors.Is(err, ErrNeedsRecovery) {
		t.Errorf("rewind after a crash: %v", err)
	}
	must(t, p.Recover(ctx))
	a := p.compareWith(r)
	lines, err := r.History(ctx, 2)
	must(t, err)
	if !a.Diverged || a.Fork != lines[0].Switch {
		t.Fatalf("got %+v, the fork is at %s", a, lines[0].Switch)
	}
	if ours, theirs := p.Status(ctx).Location, r.Status(ctx).Location; ours <= theirs {
		t.Fatalf("the former primary must have the higher position: %s, %s", ours, theirs)
	}
	must(t, p.Rewind(ctx, r.upstream()))
	st := p.Status(ctx)
	if st.Data != DataValid || !st.Standby {
		t.Fatalf("after the rewind: %+v", st)
	}
	p.noSecrets()
	p.follow(r)
	if a := p.compareWith(r); a.Diverged {
		t.Errorf("after the rewind: %s", a.Reason)
	}
}

func TestRewindWithoutWALIsRefusedWithoutHarm(t *testing.T) {
	p, r := pair(t, nil)
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	control, err := p.readControl(ctx)
	must(t, err)
	segments, err := filepath.Glob(p.dataPath("pg_wal/0000*"))
	must(t, err)
	for _, s := range segments { // as if they had been recycled
		must(t, os.Rename(s, filepath.Join(filepath.Dir(p.options.DataDir), filepath.Base(s))))
	}
	err = p.Rewind(ctx, r.upstream())
	if !errors.Is(err, ErrMissingWAL) || !strings.Contains(err.Error(), "pg_wal") {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	if strings.Contains(err.Error(), p.settings.Rewind.Password) {
		t.Error("the password is in the error")
	}
	after, err := p.readControl(ctx)
	must(t, err)
	if state, err := p.dataState(); state != DataValid || err != nil || *after != *control {
		t.Errorf("it did harm: %s %v, %+v", state, err, after)
	}
	// The same with an archive that has them.
	p.settings.RecoveryConf = map[string]string{"restore_command": "cp " + filepath.Dir(p.options.DataDir) + "/%f %p"}
	must(t, p.Configure(p.settings))
	must(t, p.Rewind(ctx, r.upstream()))
	p.follow(r)
	p.noSecrets()
}

// withKilledRewind is a Server like f's whose pg_rewind does all its work and is
// killed before its end.
func (f *fixture) withKilledRewind() *Server {
	f.t.Helper()
	real := filepath.Join(f.options.BinDir, "pg_rewind")
	script := "#!/bin/sh\ncase \"$*\" in *--dry-run*|--version) exec " + real + " \"$@\";; esac\n" + real + " \"$@\"; kill -9 $$\n"
	bin := filepath.Join(f.t.TempDir(), "pg_rewind")
	must(f.t, os.WriteFile(bin, []byte(script), 0o755))
	options := f.options
	relative, err := filepath.Rel(f.options.BinDir, bin)
	must(f.t, err)
	options.BinNames = map[string]string{"pg_rewind": relative}
	s, err := New(options, f.settings)
	must(f.t, err)
	f.t.Cleanup(s.Close)
	return s
}

func TestKilledRewindIsIncomplete(t *testing.T) {
	p, r := pair(t, nil)
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	s := p.withKilledRewind()
	if err := s.Rewind(ctx, r.upstream()); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("got %v", err)
	}
	if state, err := p.dataState(); state != DataIncomplete || err != nil {
		t.Fatalf("%s %v", state, err)
	}
	if err := p.StartStandby(ctx, r.upstream()); err == nil {
		t.Error("a half rewound directory was started")
	}
	if err := p.Rewind(ctx, r.upstream()); err == nil {
		t.Error("a half rewound directory was rewound again")
	}
	must(t, p.Clone(ctx, r.upstreamSlot("p1"), nil))
	kept, err := filepath.Glob(p.options.DataDir + ".failed-*")
	must(t, err)
	if len(kept) != 2 || kept[1] != kept[0]+incompleteMarker {
		t.Errorf("kept: %v", kept)
	}
	p.follow(r)
}

// TestTwinPromotions: both were promoted by hand from the same position. They
// have the same timeline, the same history and even the same length.
func TestTwinPromotions(t *testing.T) {
	p, a := pair(t, nil)
	b := p.newReplica("r2", nil)
	p.stop()
	a.promoted()
	b.promoted()
	a.sql("INSERT INTO t SELECT generate_series(2, 3000)", "CHECKPOINT")
	b.sql("INSERT INTO t VALUES (9)")
	ctx := testContext(t)
	ha, err := a.History(ctx, 2)
	must(t, err)
	hb, err := b.History(ctx, 2)
	must(t, err)
	if len(ha) != 1 || len(hb) != 1 || ha[0].Switch != hb[0].Switch {
		t.Fatalf("they should have left at the same place: %+v %+v", ha, hb)
	}
	b.stop()
	if got := b.compareWith(a); !got.Diverged || got.Fork != ha[0].Switch {
		t.Errorf("same history, other WAL: %+v", got)
	}
	if got := p.compareWith(a); got.Diverged {
		t.Errorf("the former primary: %+v", got)
	}
	b.rewindUseless(a)
}

// rewindUseless: pg_rewind would call that success and do nothing.
func (f *fixture) rewindUseless(p *fixture) {
	f.t.Helper()
	err := f.Rewind(testContext(f.t), p.upstream())
	if !errors.Is(err, ErrRewindUseless) {
		f.t.Fatalf("got %v", err)
	}
	f.t.Log(err)
	if state, err := f.dataState(); state != DataValid || err != nil {
		f.t.Errorf("%s %v", state, err)
	}
}

// TestTwinsInThePast: of twins one was promoted once more, so that numbers tell
// them apart and pg_rewind would go to work.
func TestTwinsInThePast(t *testing.T) {
	p, a := pair(t, nil)
	b := p.newReplica("r2", nil)
	p.stop()
	a.promoted()
	b.promoted()
	a.sql("INSERT INTO t SELECT generate_series(2, 3000)", "CHECKPOINT")
	b.sql("INSERT INTO t VALUES (9)", "CHECKPOINT")
	a.stop()
	must(t, a.StartStandby(testContext(t), Upstream{}))
	a.await("replica", runs(RoleReplica))
	a.promoted()
	a.sql("INSERT INTO t VALUES (4)", "CHECKPOINT")
	b.stop()
	if got := b.compareWith(a); !got.Diverged {
		t.Errorf("timeline 2 of its own: %+v", got)
	}
	b.rewindUseless(a)
	// And b promoted too: both left timeline 2, each its own, for another.
	must(t, b.StartStandby(testContext(t), Upstream{}))
	b.await("replica", runs(RoleReplica))
	b.promoted()
	b.sql("INSERT INTO t VALUES (5)")
	b.stop()
	must(t, b.StartStandby(testContext(t), Upstream{}))
	b.await("replica", runs(RoleReplica))
	b.promoted()
	b.stop()
	if got := b.compareWith(a); !got.Diverged {
		t.Errorf("timelines 2 and 3 of its own: %+v", got)
	}
	b.rewindUseless(a)
}

func TestPromotedAtOtherPlacesSameNumber(t *testing.T) {
	p, a := pair(t, nil)
	b := p.newReplica("r2", nil)
	p.catchUp(b)
	b.stop()
	p.sql("INSERT INTO t SELECT generate_series(10, 50)")
	p.catchUp(a)
	a.promoted()
	must(t, b.StartStandby(testContext(t), Upstream{}))
	b.await("replica", runs(RoleReplica))
	b.promoted()
	b.sql("INSERT INTO t SELECT generate_series(60, 3000)")
	b.stop()
	if got := b.compareWith(a); !got.Diverged {
		t.Errorf("timeline 2 twice, from other places: %+v", got)
	}
	b.rewindUseless(a)
	must(t, b.SetAside(testContext(t)))
	must(t, b.Clone(testContext(t), a.upstreamSlot("r2"), nil))
	b.follow(a)
}

func TestCompareRefuses(t *testing.T) {
	p, r := pair(t, nil)
	ctx := testContext(t)
	if _, err := p.Compare(ctx, r.upstream()); !errors.Is(err, ErrNotPrimary) && (err == nil || !strings.Contains(err.Error(), "runs as a primary")) {
		t.Errorf("a primary with a standby: %v", err)
	}
	r.stop()
	p.stop()
	if _, err := r.Compare(ctx, p.upstream()); err == nil {
		t.Error("with a stopped server")
	}
	other := newServer(t, "x1", withRewind) // by an initdb of its own
	must(t, other.Bootstrap(ctx))
	must(t, other.StartPrimary(ctx, permit()))
	other.await("primary", runs(RolePrimary))
	must(t, other.PostBootstrap(ctx))
	if _, err := r.Compare(ctx, other.upstream()); !errors.Is(err, ErrForeignSystem) {
		t.Errorf("with another cluster: %v", err)
	}
	must(t, os.WriteFile(r.dataPath("global/pg_control"), []byte("garbage"), 0o600))
	if _, err := r.Compare(ctx, p.upstream()); err == nil || !strings.Contains(err.Error(), "control file") {
		t.Errorf("with a damaged control file: %v", err)
	}
	full := append([]byte("garbage"), make([]byte, 8185)...)
	must(t, os.WriteFile(r.dataPath("global/pg_control"), full, 0o600))
	if _, err := r.Compare(ctx, p.upstream()); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("with a damaged control file: %v", err)
	}
}

func TestCanRewindSaysWhyNot(t *testing.T) {
	off := newServer(t, "r1", func(o *Options, s *Settings) { s.UseRewind = false })
	must(t, off.Bootstrap(testContext(t)))
	if err := off.CanRewind(testContext(t)); err == nil || !strings.Contains(err.Error(), "use_pg_rewind") {
		t.Errorf("switched off: %v", err)
	}
	bare := newServer(t, "r2", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.InitdbArgs = []string{"--auth=trust", "--no-sync", "--locale=C.UTF-8"}
	})
	must(t, bare.Bootstrap(testContext(t)))
	if err := bare.CanRewind(testContext(t)); err == nil || !strings.Contains(err.Error(), "wal_log_hints") {
		t.Errorf("without checksums and hints: %v", err)
	}
	for _, arg := range []string{"--dry-run", "--source-pgdata=/x", "-n", "--config-file=x"} {
		bare.settings.RewindArgs = []string{arg}
		must(t, bare.Configure(bare.settings))
		if err := bare.CanRewind(testContext(t)); err == nil || !strings.Contains(err.Error(), "pg_rewind") {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestRewindArchivesWhatWaits(t *testing.T) {
	var archive string
	with := func(o *Options, s *Settings) {
		archive = filepath.Join(filepath.Dir(o.DataDir), "archive")
		must(t, os.MkdirAll(archive, 0o700))
		s.Parameters["archive_mode"] = "on"
		s.Parameters["archive_command"] = "test -e " + archive + "/open && cp %p " + archive + "/%f"
	}
	p := newReplicable(t, "p1", with)
	theirs := archive
	p.sql("CREATE TABLE t (i int)", "INSERT INTO t VALUES (1)")
	r := p.newReplica("r1", nil)
	p.sql("SELECT pg_switch_wal()", "INSERT INTO t VALUES (2)")
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	waiting, err := filepath.Glob(p.dataPath("pg_wal/archive_status/*.ready"))
	must(t, err)
	if len(waiting) == 0 {
		t.Fatal("nothing waits for the archive")
	}
	must(t, os.WriteFile(filepath.Join(theirs, "open"), nil, 0o600))
	must(t, p.Rewind(ctx, r.upstream()))
	for _, w := range waiting {
		name := strings.TrimSuffix(filepath.Base(w), ".ready")
		if _, err := os.Stat(filepath.Join(theirs, name)); err != nil {
			t.Error(err)
		}
	}
	p.follow(r)
}
