package fence

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "lease")
	if _, err := ReadRecord(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	a := Arm{Number: 3, Grant: "A", Fast: 10, Kill: 20}
	r, err := NewRecord(a, data, "m1", "7")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteRecord(path, r); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(path)
	if err != nil || !reflect.DeepEqual(got, r) || got.Arm() != a {
		t.Fatalf("read %+v, %v", got, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if err := got.Proves(data, "m1", "7"); err != nil {
		t.Error(err)
	}
	for want, proof := range map[string]func(*Record) error{
		"member":            func(r *Record) error { return r.Proves(data, "m2", "7") },
		"system":            func(r *Record) error { return r.Proves(data, "m1", "8") },
		"another boot":      func(r *Record) error { r.BootID = "x"; return r.Proves(data, "m1", "7") },
		"boot":              func(r *Record) error { r.BootID = ""; return r.Proves(data, "m1", "7") },
		"another machine":   func(r *Record) error { r.Machine += "x"; return r.Proves(data, "m1", "7") },
		"another directory": func(r *Record) error { return r.Proves(dir, "m1", "7") },
		"no grant":          func(r *Record) error { r.Grant = ""; return r.Proves(data, "m1", "7") },
		"compared":          func(r *Record) error { return r.Proves(data+"x", "m1", "7") },
	} {
		r := got
		if err := proof(&r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	os.WriteFile(path, []byte(`{"grant":`), 0o600)
	if _, err := ReadRecord(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: %v", err)
	}
}

func TestLatchFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latch")
	if l, err := readLatch(path); err != nil || l.Fired {
		t.Errorf("no file: %+v, %v", l, err)
	}
	c := Core{number: 4, fired: true, fenced: "D"}
	c.spent.add("A")
	c.spent.add("B")
	if err := c.latch().write(path); err != nil {
		t.Fatal(err)
	}
	l, err := readLatch(path)
	if err != nil {
		t.Fatal(err)
	}
	var again Core
	again.Step(1, Started{Latch: l})
	if again.spent != c.spent || !again.fired || again.number != 4 || again.fenced != "D" {
		t.Errorf("read %+v", again)
	}
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := readLatch(path); err == nil {
		t.Error("half a file was taken")
	}
}

// A latch that can't be read may say that the guard fired.
func TestBrokenLatchFileIsAFire(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p, err := n.place()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.make(); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(p.latch(), []byte("{"), 0o600)
	pid := n.byHand()
	n.answers(false)
	n.connect()
	eventually(t, "the primary is killed", func() bool { _, err := readProcess(pid); return err != nil })
	if s := n.state(); !s.Fired {
		t.Errorf("state is %+v", s)
	}
}

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	data := filepath.Join(dir, "data")
	before, err := placeOf(run, data)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	os.Symlink("data", link)
	if got, err := placeOf(run, link); err != nil || got != before {
		t.Errorf("a link to where nothing is yet: %s, %v, not %s", got, err, before)
	}
	os.Mkdir(data, 0o700)
	os.Symlink(dir, filepath.Join(dir, "loop"))
	for _, same := range []string{data, link, data + "/", filepath.Join(dir, "loop", "data"), filepath.Join(dir, "x", "..", "data")} {
		if got, err := placeOf(run, same); err != nil || got != before {
			t.Errorf("%s: %s, %v, not %s", same, got, err, before)
		}
	}
	if got, _ := placeOf(run, data+"2"); got == before {
		t.Error("two data directories share a folder")
	}
	if err := before.make(); err != nil {
		t.Fatal(err)
	}
	os.Chmod(run, 0o777)
	if before.make() == nil {
		t.Error("a run directory that all can write is taken")
	}
	os.RemoveAll(run)
	os.Symlink(dir, run)
	if before.make() == nil {
		t.Error("a symbolic link is taken for the run directory")
	}
}
