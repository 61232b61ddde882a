package postgres

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

func TestSetAsideKeepsEverything(t *testing.T) {
	dir := testenv.ShortTempDir(t)
	wal := filepath.Join(dir, "wal")
	space := filepath.Join(dir, "space")
	must(t, os.MkdirAll(space, 0o700))
	p := newServer(t, "p1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.InitdbArgs = append(s.InitdbArgs, "--waldir="+wal)
	})
	ctx := testContext(t)
	must(t, p.Bootstrap(ctx))
	must(t, p.StartPrimary(ctx, permit()))
	p.await("primary", runs(RolePrimary))
	p.sql("CREATE TABLESPACE s LOCATION '"+space+"'", "CREATE TABLE t TABLESPACE s AS SELECT 7 AS i")
	if err := p.SetAside(ctx); !errors.Is(err, ErrRunning) {
		t.Fatalf("of a running server: %v", err)
	}
	p.stop()
	must(t, p.SetAside(ctx))
	if st := p.Status(ctx); st.Data != DataEmpty {
		t.Fatalf("%s", st.Data)
	}
	must(t, p.SetAside(ctx)) // of nothing
	for _, gone := range []string{p.options.DataDir, wal, space} {
		if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	kept, err := filepath.Glob(p.options.DataDir + ".failed-*")
	must(t, err)
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	// It still is a server.
	options := p.options
	options.DataDir = kept[0]
	old, err := New(options, p.settings)
	must(t, err)
	defer p.end(old)
	must(t, old.StartPrimary(ctx, permit()))
	awaitStatus(t, old, "primary", runs(RolePrimary))
	if got := p.text("SELECT i FROM t"); got != "7" {
		t.Errorf("got %s", got)
	}
}

func TestSetAsideRemovesWhereConfigured(t *testing.T) {
	dir := testenv.ShortTempDir(t)
	wal := filepath.Join(dir, "wal")
	space := filepath.Join(dir, "space")
	must(t, os.MkdirAll(filepath.Join(space, "PG_12_201909212"), 0o700)) // another server's
	p := newServer(t, "p1", func(o *Options, s *Settings) {
		o.RemoveFailed = true
		s.InitdbArgs = append(s.InitdbArgs, "--waldir="+wal)
	})
	ctx := testContext(t)
	must(t, p.Bootstrap(ctx))
	must(t, p.StartPrimary(ctx, permit()))
	p.await("primary", runs(RolePrimary))
	p.sql("CREATE TABLESPACE s LOCATION '"+space+"'", "CREATE TABLE t TABLESPACE s AS SELECT 7 AS i")
	p.stop()
	must(t, p.SetAside(ctx))
	if st := p.Status(ctx); st.Data != DataEmpty {
		t.Fatalf("%s", st.Data)
	}
	for _, empty := range []string{wal, filepath.Join(space, "PG_15_202209061"), p.options.DataDir} {
		if entries, err := os.ReadDir(empty); len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has %v: %v", empty, entries, err)
		}
	}
	if _, err := os.Stat(filepath.Join(space, "PG_12_201909212")); err != nil {
		t.Error(err)
	}
}

func TestSetAsideUndoesWhatItBegan(t *testing.T) {
	dir := testenv.ShortTempDir(t)
	p := newServer(t, "p1", func(o *Options, s *Settings) {
		s.InitdbArgs = append(s.InitdbArgs, "--waldir="+filepath.Join(dir, "wal"))
	})
	ctx := testContext(t)
	must(t, p.Bootstrap(ctx))
	parent := filepath.Dir(p.options.DataDir)
	must(t, os.Chmod(parent, 0o500))
	err := p.SetAside(ctx)
	must(t, os.Chmod(parent, 0o700))
	if !errors.Is(err, syscall.EACCES) {
		t.Fatalf("got %v", err)
	}
	must(t, p.StartPrimary(ctx, permit()))
	p.await("primary", runs(RolePrimary))
}

func TestTablespaceRemainsOfAKilledClone(t *testing.T) {
	dir := testenv.ShortTempDir(t)
	space, copied := filepath.Join(dir, "space"), filepath.Join(dir, "copied")
	must(t, os.MkdirAll(space, 0o700))
	p := newReplicable(t, "p1", nil)
	p.sql("CREATE TABLESPACE s LOCATION '"+space+"'", "CREATE TABLE big TABLESPACE s AS SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i")
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.CloneArgs = []string{"--tablespace-mapping=" + space + "=" + copied, "--max-rate=2M"}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	if err := r.Clone(ctx, p.upstreamSlot("r1"), func(Progress) { cancel() }); err == nil {
		t.Fatal("it wasn't cancelled")
	}
	if entries, _ := os.ReadDir(copied); len(entries) == 0 {
		t.Fatal("the test is to leave something in the tablespace")
	}
	r.settings.CloneArgs = r.settings.CloneArgs[:1]
	must(t, r.Configure(r.settings))
	must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
	must(t, r.StartStandby(testContext(t), p.upstreamSlot("r1")))
	r.await("streaming", streams)
	p.catchUp(r)
	if got := r.text("SELECT count(*) FROM big"); got != "20000" {
		t.Errorf("%s rows", got)
	}
	if got := p.text("SELECT count(*) FROM big"); got != "20000" {
		t.Errorf("%s rows at the source", got)
	}
}
