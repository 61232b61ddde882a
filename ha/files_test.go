package ha

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
)

func newFiles(t *testing.T) *Files {
	t.Helper()
	dir := t.TempDir()
	data, run := filepath.Join(dir, "data"), filepath.Join(dir, "run")
	for _, d := range []string{data, run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := NewFiles(fence.Options{DataDir: data, RunDir: run}, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(f.lease), 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

// What an agent writes down of its lease is what the next one reads, the pledges of
// others and the failsafe maps that may be in force included.
func TestLeaseFile(t *testing.T) {
	f := newFiles(t)
	timing := dcs.Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second, RetryTimeout: 10 * time.Second}
	note := LeaseNote{
		Grant: "g", Number: 7, Since: 1000, For: 30 * time.Second, Fast: 2000, Kill: 3000, SystemID: "1", Writable: true,
		Plan: timing.PlanFor(1000, timing.TTL), Pledges: timing.PlanFor(2000, timing.TTL),
		Maps: []MapNote{{Members: map[string]string{"a": "http://a"}, Prev: "v1"}, {Prev: mapRead}},
	}
	if err := f.WriteLease(note); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ReadLease("1"); err != nil || !reflect.DeepEqual(got, note) {
		t.Errorf("read %+v, %v", got, err)
	}
}

// A missing pledge file is told from one that says that nothing was pledged, and what
// is of another boot counts from now on.
func TestPledgeFile(t *testing.T) {
	f := newFiles(t)
	const now, ttl = clock.Instant(time.Hour), 30 * time.Second
	if _, err := f.ReadPledge(now, ttl); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, note := range []PledgeNote{{}, {To: "b", For: 20 * time.Second, Until: now.Add(-time.Second)}, {Assumed: now.Add(-time.Minute), AssumedFor: ttl}} {
		if err := f.WritePledge(note); err != nil {
			t.Fatal(err)
		}
		if got, err := f.ReadPledge(now, ttl); err != nil || got != note {
			t.Errorf("read %+v, %v, want %+v", got, err, note)
		}
		text, err := os.ReadFile(f.pledge)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.pledge, []byte(strings.Replace(string(text), clock.BootID(), "another", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := f.ReadPledge(now, ttl)
		switch {
		case err != nil:
			t.Error(err)
		case note.To != "" && got.Until != now.Add(ttl):
			t.Errorf("of another boot: %+v, want a whole ttl", got)
		case !note.Assumed.IsZero() && got.Assumed != now:
			t.Errorf("of another boot: %+v, want it assumed from now on", got)
		case note == (PledgeNote{}) && got != note:
			t.Errorf("of another boot: %+v, and nothing had been pledged", got)
		}
	}
}
