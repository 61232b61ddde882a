package postgres

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// fenced leaves what a guard leaves in a data directory.
func (f *fixture) fenced() {
	f.t.Helper()
	must(f.t, removeFile(f.dataPath("standby.signal")))
	must(f.t, os.Mkdir(f.dataPath("standby.signal"), 0o700))
}

// signal says what standby.signal is.
func (f *fixture) signal() string {
	switch fi, err := os.Lstat(f.dataPath("standby.signal")); {
	case errors.Is(err, fs.ErrNotExist):
		return "none"
	case err != nil:
		return err.Error()
	case fi.IsDir():
		return "directory"
	}
	return "file"
}

func (f *fixture) hasSignal(want string) {
	f.t.Helper()
	if got := f.signal(); got != want {
		f.t.Fatalf("standby.signal is %s, not a %s", got, want)
	}
}

// After a fence standby.signal is a directory. Whatever brings the server back
// takes it for one, and leaves a file, which a promotion can remove.
func TestBackFromAFence(t *testing.T) {
	p, r := pair(t, nil)
	ctx := testContext(t)
	r.crash()
	r.fenced()
	if st := r.Status(ctx); !st.Standby || st.State != StateStopped {
		t.Errorf("%+v", st)
	}
	must(t, r.Recover(ctx))
	r.hasSignal("file")
	r.fenced()
	must(t, os.Mkdir(r.dataPath(".standby.signal.new"), 0o700)) // of one that was killed here
	r.follow(p)
	r.hasSignal("file")
	r.stop()
	r.fenced()
	r.opts.Launcher = failing{}
	if err := r.StartPrimary(ctx, permit()); err == nil {
		t.Fatal("the launch was to fail")
	}
	r.hasSignal("directory")
	r.opts.Launcher = mortal{}
	must(t, r.StartPrimary(ctx, permit()))
	r.await("primary", runs(RolePrimary))
	r.hasSignal("none")
}

// A standby that was started by hand after a fence runs on the directory.
func TestStandbyOnAFencedDirectory(t *testing.T) {
	p, r := pair(t, nil)
	ctx := testContext(t)
	r.stop()
	r.fenced()
	c, err := r.prepare(ctx, p.upstream(), nil)
	must(t, err)
	must(t, r.launchServer(ctx, c)) // by hand
	r.await("streaming", streams)
	restarted, err := r.Follow(ctx, p.upstreamSlot("r1"))
	if err != nil || restarted {
		t.Fatalf("restarted: %v, %v", restarted, err)
	}
	r.hasSignal("directory")

	second := newServer(t, "r2", withRewind)
	must(t, second.Clone(ctx, r.upstream(), nil)) // has it in its base backup
	second.hasSignal("file")
	must(t, second.StartStandby(ctx, p.upstream()))
	second.await("streaming", streams)

	r.promoted()
	r.hasSignal("none")
}

// pg_rewind removes what its source lacks, a directory too.
func TestRewindOfAFencedDirectory(t *testing.T) {
	p, r := pair(t, nil)
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	p.fenced()
	must(t, p.Rewind(ctx, r.upstream()))
	p.hasSignal("file")
	p.follow(r)
}
