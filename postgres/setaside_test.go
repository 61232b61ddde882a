package postgres

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	must(t, os.Mkdir(filepath.Join(wal, "lost+found"), 0)) // of a mount point, root's
	must(t, p.SetAside(ctx))
	must(t, os.Remove(filepath.Join(wal, "lost+found")))
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

// A data directory may be a link to where the room is: the next one is made
// there as well, and the link stays.
func TestSetAsideBehindALink(t *testing.T) {
	volume := testenv.ShortTempDir(t)
	real := filepath.Join(volume, "pg")
	p := newReplicable(t, "p1", nil)
	r := newServer(t, "r1", withRewind)
	ctx := testContext(t)
	must(t, os.Symlink(real, r.options.DataDir)) // not there yet
	clone := func() {
		t.Helper()
		must(t, r.Clone(ctx, p.upstreamSlot("r1"), nil))
		if fi, err := os.Lstat(r.options.DataDir); err != nil || fi.Mode().Type() != fs.ModeSymlink {
			t.Fatalf("the link is %v, %v", fi, err)
		}
	}
	clone()
	must(t, r.SetAside(ctx))
	kept, err := filepath.Glob(real + ".failed-*")
	must(t, err)
	if len(kept) != 1 {
		t.Fatalf("kept beside %s: %v", real, kept)
	}
	if _, err := os.Stat(filepath.Join(kept[0], "PG_VERSION")); err != nil {
		t.Error(err)
	}
	if fi, err := os.Stat(real); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("nothing is left behind the link: %v %v", fi, err)
	}
	clone()
	must(t, r.StartStandby(ctx, p.upstreamSlot("r1")))
	r.await("streaming", streams)
}

// A new cluster is made behind a link as well.
func TestBootstrapBehindALink(t *testing.T) {
	p := newServer(t, "p1", nil)
	must(t, os.Symlink(filepath.Join(testenv.ShortTempDir(t), "pg"), p.options.DataDir))
	must(t, p.Bootstrap(testContext(t)))
}

// The directory of a tablespace may be another server's as well, of another
// major version. It can't be renamed then.
func TestSetAsideOfASharedTablespace(t *testing.T) {
	space := filepath.Join(testenv.ShortTempDir(t), "space")
	other := filepath.Join(space, "PG_12_201909212")
	must(t, os.MkdirAll(other, 0o700))
	p := newPrimary(t, nil)
	p.sql("CREATE TABLESPACE s LOCATION '" + space + "'")
	p.stop()
	if err := p.SetAside(testContext(t)); err == nil || !strings.Contains(err.Error(), other) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	must(t, p.StartPrimary(testContext(t), permit()))
	p.await("primary", runs(RolePrimary))
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
