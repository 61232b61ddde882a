package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

// What an attempt that failed is marked for may have made room for a copy that
// somebody brought back. These tests bring one back, in every way that there is, and
// look for it after the next clone.

// contentOf is what a directory has, file by file.
func contentOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		name, errName := filepath.Rel(dir, path)
		found[name] = string(content)
		return errors.Join(err, errName)
	}))
	return found
}

// keptDirs are the directories that were set aside.
func (f *fixture) keptDirs() []string {
	f.t.Helper()
	kept, err := filepath.Glob(f.options.DataDir + ".failed-*")
	must(f.t, err)
	var dirs []string
	for _, k := range kept {
		if !strings.HasSuffix(k, incompleteMarker) {
			dirs = append(dirs, k)
		}
	}
	return dirs
}

// wasKept fails the test unless a directory that was set aside has all that want has.
func (f *fixture) wasKept(want map[string]string) {
	f.t.Helper()
	kept := f.keptDirs()
	if len(kept) != 1 {
		f.t.Fatalf("set aside: %v", kept)
	}
	got := contentOf(f.t, kept[0])
	missing := 0
	for name, content := range want {
		if there, ok := got[name]; !ok || there != content {
			missing++
		}
	}
	if missing > 0 {
		f.t.Errorf("%d of %d files of the copy that was brought back are gone or changed", missing, len(want))
	}
}

// copyAtHand is a copy of a cluster, beside the data directory.
func (f *fixture) copyAtHand() (dir string, content map[string]string) {
	f.t.Helper()
	dir = filepath.Join(filepath.Dir(f.options.DataDir), "backup")
	testenv.CopyCluster(f.t, dir)
	return dir, contentOf(f.t, dir)
}

// restore moves what dir has into the data directory, which stays the same one.
func (f *fixture) restore(dir string) {
	f.t.Helper()
	entries, err := os.ReadDir(dir)
	must(f.t, err)
	for _, e := range entries {
		must(f.t, os.Rename(filepath.Join(dir, e.Name()), f.dataPath(e.Name())))
	}
}

// clear removes what the data directory has, as "rm -rf data/*" does.
func (f *fixture) clear() {
	f.t.Helper()
	entries, err := filepath.Glob(f.dataPath("*"))
	must(f.t, err)
	for _, path := range entries {
		must(f.t, os.RemoveAll(path))
	}
}

// ways are how a copy comes back.
var ways = map[string]func(f *fixture, backup string){
	"another directory in its place": func(f *fixture, backup string) {
		must(f.t, os.Rename(f.options.DataDir, f.options.DataDir+".partial"))
		must(f.t, os.Rename(backup, f.options.DataDir))
	},
	"restored into the emptied directory": func(f *fixture, backup string) {
		f.clear()
		f.restore(backup)
	},
}

// halfCloned begins to clone p and gives up on the way.
func (f *fixture) halfCloned(p *fixture) {
	f.t.Helper()
	f.settings.CloneArgs = append(f.settings.CloneArgs, "--max-rate=2M")
	must(f.t, f.Configure(f.settings))
	ctx, cancel := context.WithCancel(testContext(f.t))
	if err := f.Clone(ctx, p.upstreamSlot("r1"), func(Progress) { cancel() }); err == nil {
		f.t.Fatal("it wasn't cancelled")
	}
	f.settings.CloneArgs = f.settings.CloneArgs[:len(f.settings.CloneArgs)-1]
	must(f.t, f.Configure(f.settings))
}

// TestCopyBroughtBack brings a copy back to where clones of one server have failed.
func TestCopyBroughtBack(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	p.sql("CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i")
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"after a clone", copyAfterAClone},
		{"after a command", copyAfterACommand},
		{"during a command", copyDuringACommand},
		{"over what a command left", copyOverWhatACommandLeft},
		{"where nothing can be renamed", copyWhereNothingCanBeRenamed},
		{"WAL elsewhere", walBroughtBackElsewhere},
		{"nothing was brought back", failingCloneLeavesNothingAside},
		{"nothing was brought back after a killed command", remainsOfAKilledCommand},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, p) })
	}
}

func copyAfterAClone(t *testing.T, p *fixture) {
	all := maps.Clone(ways)
	all["restored beside what the clone left"] = func(f *fixture, backup string) { f.restore(backup) }
	for how, bring := range all {
		t.Run(how, func(t *testing.T) {
			r := newServer(t, "r1", func(o *Options, s *Settings) {
				withRewind(o, s)
				o.RemoveFailed = true // which is about what failed, and says nothing of a copy
			})
			r.halfCloned(p)
			backup, content := r.copyAtHand()
			bring(r, backup)
			must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
			r.wasKept(content)
			if state, err := r.dataState(); state != DataValid || err != nil {
				t.Errorf("%s %v", state, err)
			}
		})
	}
}

// failingCommand is a clone method that leaves something and fails, then another
// that copies.
func failingCommand(o *Options, s *Settings) {
	withRewind(o, s)
	s.CloneMethods = []Method{{Name: "broken", NoParams: true,
		Command: "sh -c 'mkdir -p " + o.DataDir + "/base; echo 15 > " + o.DataDir + "/PG_VERSION; echo x > " + o.DataDir + "/base/1; exit 1'"}}
}

func (f *fixture) withBasebackup() {
	f.t.Helper()
	f.settings.CloneMethods = nil
	must(f.t, f.Configure(f.settings))
}

func copyAfterACommand(t *testing.T, p *fixture) {
	for how, bring := range ways {
		t.Run(how, func(t *testing.T) {
			r := newServer(t, "r1", failingCommand)
			if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil {
				t.Fatal("the command didn't fail")
			}
			backup, content := r.copyAtHand()
			bring(r, backup)
			r.withBasebackup()
			must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
			r.wasKept(content)
		})
	}
}

// A copy that came back while the command ran, before it left anything, isn't the
// command's.
func copyDuringACommand(t *testing.T, p *fixture) {
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.CloneMethods = []Method{{Name: "swapped", NoParams: true,
			Command: fmt.Sprintf("sh -c 'mv %[1]s %[1]s.away && mv %[2]s/backup %[1]s; exit 1'", o.DataDir, filepath.Dir(o.DataDir))}}
	})
	_, content := r.copyAtHand()
	if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil {
		t.Fatal("the command didn't fail")
	}
	r.withBasebackup()
	must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
	r.wasKept(content)
}

// Files that were restored over what a command left can be told by when they
// changed, though the sign is still there.
func copyOverWhatACommandLeft(t *testing.T, p *fixture) {
	r := newServer(t, "r1", failingCommand)
	if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil {
		t.Fatal("the command didn't fail")
	}
	backup, content := r.copyAtHand()
	must(t, os.Remove(r.dataPath("PG_VERSION")))
	must(t, os.RemoveAll(r.dataPath("base")))
	r.restore(backup)
	r.withBasebackup()
	must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
	r.wasKept(content)
}

// What a command leaves again and again is removed each time.
func failingCloneLeavesNothingAside(t *testing.T, p *fixture) {
	r := newServer(t, "r1", failingCommand)
	for range 3 {
		if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil {
			t.Fatal("the command didn't fail")
		}
	}
	r.withBasebackup()
	for range 2 {
		r.halfCloned(p)
	}
	must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
	if kept := r.keptDirs(); len(kept) > 0 {
		t.Errorf("set aside: %v", kept)
	}
	if found, err := filepath.Glob(r.dataPath("regent.*")); err != nil || len(found) > 0 {
		t.Errorf("marks are left: %v %v", found, err)
	}
}

// The agent was killed while a command was at it. What that left is known by its
// sign; without one it is kept.
func remainsOfAKilledCommand(t *testing.T, p *fixture) {
	for _, test := range []struct {
		name   string
		signed bool
	}{{"signed", true}, {"killed before the sign was there", false}} {
		t.Run(test.name, func(t *testing.T) {
			r := newServer(t, "r1", withRewind)
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestClonerProcess$")
			cmd.Env = append(os.Environ(), "CLONER_DIR="+r.options.DataDir, "CLONER_PORT="+strconv.Itoa(p.port),
				"CLONER_COMMAND=sh -c 'echo x > "+r.options.DataDir+"/x; while :; do sleep 0.1; done'")
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			must(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			testenv.Eventually(t, limit, "the sign to be there", func() error {
				if found, err := signs(r.options.DataDir); err != nil || len(found) == 0 {
					return fmt.Errorf("it isn't: %w", err)
				}
				return nil
			})
			must(t, cmd.Process.Kill())
			_ = cmd.Wait()
			kept := 0
			if !test.signed {
				must(t, removeSigns(r.options.DataDir, isAnySign))
				kept = 1
			}
			must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
			if got := r.keptDirs(); len(got) != kept {
				t.Errorf("set aside: %v", got)
			}
		})
	}
}

// A command that removes the sign with whatever it doesn't know leaves nothing that can
// be told from somebody's copy. That is kept, a few times.
func TestFewDirectoriesAreSetAside(t *testing.T) {
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		sign := o.DataDir + "/" + insideMarker + "*"
		s.CloneMethods = []Method{{Name: "tidy", NoParams: true, NoLeader: true,
			Command: fmt.Sprintf("sh -c 'echo x > %s/x; until ls %s; do sleep 0.05; done; rm -f %[2]s; exit 1'", o.DataDir, sign)}}
	})
	var err error
	for range mostAside + 2 {
		err = r.Clone(testContext(t), Upstream{}, nil)
	}
	if err == nil || !strings.Contains(err.Error(), "have been set aside already") {
		t.Errorf("got %v", err)
	}
	if kept := r.keptDirs(); len(kept) != mostAside {
		t.Errorf("set aside: %v", kept)
	}
	for _, kept := range append(r.keptDirs(), r.options.DataDir) {
		if _, err := os.Stat(filepath.Join(kept, "x")); err != nil {
			t.Error(err)
		}
	}
}

// A rewind that was killed is marked, too. What is brought back there isn't removed,
// also where a failed directory would be.
func TestCopyBroughtBackAfterARewind(t *testing.T) {
	p, r := pair(t, func(o *Options, _ *Settings) { o.RemoveFailed = true })
	diverge(t, p, r)
	ctx := testContext(t)
	must(t, p.Recover(ctx))
	if err := p.withKilledRewind().Rewind(ctx, r.upstream()); err == nil {
		t.Fatal("it wasn't killed")
	}
	backup, content := p.copyAtHand()
	p.clear()
	p.restore(backup)
	must(t, p.Clone(testContext(t), r.upstreamSlot("p1"), nil))
	p.wasKept(content)
}

// Where nothing can be renamed the agent stays out, and nothing is touched.
func copyWhereNothingCanBeRenamed(t *testing.T, p *fixture) {
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		o.DataDir = filepath.Join(filepath.Dir(o.DataDir), "closed", "data")
		o.RemoveFailed = true
	})
	must(t, os.MkdirAll(r.options.DataDir, 0o700))
	r.halfCloned(p)
	backup, content := r.copyAtHand()
	r.restore(backup)
	parent := filepath.Dir(r.options.DataDir)
	must(t, os.Chmod(parent, 0o500))
	defer os.Chmod(parent, 0o700)
	if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); !errors.Is(err, syscall.EACCES) {
		t.Fatalf("got %v", err)
	}
	for name, want := range content {
		if got, err := os.ReadFile(r.dataPath(name)); err != nil || string(got) != want {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// WAL that somebody has put where a clone would have it isn't removed with what
// that clone left.
func walBroughtBackElsewhere(t *testing.T, p *fixture) {
	wal := filepath.Join(testenv.ShortTempDir(t), "wal")
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.CloneArgs = []string{"--waldir=" + wal}
	})
	r.halfCloned(p)
	segments, err := filepath.Glob(wal + "/*")
	must(t, err)
	for _, path := range segments {
		must(t, os.RemoveAll(path))
	}
	precious := filepath.Join(wal, "000000010000000000000007")
	must(t, os.MkdirAll(wal, 0o700)) // pg_basebackup may have removed it
	must(t, os.WriteFile(precious, []byte("precious"), 0o600))
	if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil || !strings.Contains(err.Error(), wal) {
		t.Errorf("got %v, want that %s isn't empty", err, wal)
	}
	if content, err := os.ReadFile(precious); err != nil || string(content) != "precious" {
		t.Errorf("it is %q: %v", content, err)
	}
}
