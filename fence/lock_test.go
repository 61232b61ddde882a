package fence

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/regent-ha/regent/internal/testenv"
)

// lockable is a data directory, with what makes it one if it is to have that.
func lockable(t *testing.T, valid bool) Options {
	t.Helper()
	dir := testenv.ShortTempDir(t)
	o := Options{DataDir: filepath.Join(dir, "data"), RunDir: filepath.Join(dir, "run")}
	if err := os.Mkdir(o.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if valid {
		made(t, o.DataDir)
	}
	return o
}

func made(t *testing.T, dataDir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dataDir, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// refused locks a data directory that another agent has.
func refused(t *testing.T, o Options, path string) {
	t.Helper()
	l, err := LockDataDir(o)
	if err == nil {
		l.Close()
		t.Fatalf("locked twice; %s should have been in the way", path)
	}
	for _, want := range []string{o.DataDir, path, fmt.Sprintf("pid %d", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't name %q: %v", want, err)
		}
	}
	if _, err := os.Stat(o.RunDir); err == nil {
		t.Errorf("a run directory was made at %s", o.RunDir)
	}
}

// An agent with another run directory finds the lock beside the data directory, also
// while that is away.
func TestLockIsOneWhateverTheRunDirectory(t *testing.T) {
	t.Parallel()
	o := lockable(t, false)
	l, err := LockDataDir(o)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.RunDir += "2"
	refused(t, other, o.DataDir+".lock")
	if err := os.Rename(o.DataDir, o.DataDir+".away"); err != nil {
		t.Fatal(err)
	}
	refused(t, other, o.DataDir+".lock")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := LockDataDir(other)
	if err != nil {
		t.Fatalf("after it was given up: %v", err)
	}
	again.Close()
}

// What is beside may not be shared: the directory itself is locked too, and again when
// it was made anew.
func TestLockInsideTheDataDirectory(t *testing.T) {
	t.Parallel()
	o := lockable(t, true)
	l, err := LockDataDir(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	unshared := func() Options { // as in another container, which has a file system of its own beside
		if err := os.Remove(o.DataDir + ".lock"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		other := o
		other.RunDir += "2"
		return other
	}
	version := filepath.Join(o.DataDir, "PG_VERSION")
	refused(t, unshared(), version)
	if err := os.Remove(version); err != nil {
		t.Fatal(err)
	}
	made(t, o.DataDir)
	if err := l.Follow(); err != nil {
		t.Fatal(err)
	}
	refused(t, unshared(), version)
	if text, err := os.ReadFile(version); err != nil || string(text) != "15\n" {
		t.Errorf("PG_VERSION has %q: %v", text, err)
	}
	// The guard's lock is another.
	d, err := lockDir(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// A folder that can't be written to gives no lock, and that is said.
func TestLockWithoutAFolderForIt(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := lockable(t, true)
	o.RunDir = testenv.ShortTempDir(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	parent := filepath.Dir(o.DataDir)
	if err := os.Chmod(parent, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(parent, 0o700)
	l, err := LockDataDir(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !strings.Contains(log.String(), o.DataDir+".lock") {
		t.Errorf("logged:\n%s", log.String())
	}
	if err := noLocks(unix.ENOLCK); !err {
		t.Error("ENOLCK is what NFS says")
	}
}
