package ha

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/regent-ha/regent/fence"
)

// TestProbe: a run directory that can be written shows nothing of having been tried,
// and one that can't be says so.
func TestProbe(t *testing.T) {
	o := fence.Options{DataDir: t.TempDir(), RunDir: filepath.Join(t.TempDir(), "run")}
	f, err := NewFiles(o, "a")
	if err != nil {
		t.Fatal(err)
	}
	if f.Probe() == nil {
		t.Error("there is no run directory, and it can be written")
	}
	lease, err := o.LeaseFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(lease), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Probe(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(lease)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
