package demo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestBroken(t *testing.T) {
	s := step{name: "x", within: time.Second}
	mayLose := step{name: "x", within: time.Second, mayLose: true}
	for _, c := range []struct {
		name string
		r    result
		want string // empty: nothing is broken
	}{
		{"all well", result{step: s, gap: 900 * time.Millisecond}, ""},
		{"too long without writes", result{step: s, gap: 1100 * time.Millisecond}, "no writes for 1.1s"},
		{"rows lost", result{step: s, lost: 1}, "1 acknowledged rows are lost"},
		{"rows lost with the host", result{step: mayLose, lost: 1}, ""},
		{"two primaries are never allowed", result{step: mayLose, overlaps: make([]lab.Overlap, 1)}, "two primaries"},
		{"it didn't come back", result{step: s, err: errors.New("no leader")}, "no leader"},
	} {
		got := strings.Join(c.r.broken(), "; ")
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOnlyTheHostsLossMayLoseRows(t *testing.T) {
	for _, s := range steps(5 * time.Second) {
		if s.mayLose != strings.Contains(s.name, "host lost") {
			t.Errorf("%s: rows may be lost: %v", s.name, s.mayLose)
		}
	}
}

func TestScreenWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	before := state{leader: "a", storeOK: true, nodes: []nodeState{{name: "a", role: "primary"}, {name: "b", role: "standby", streaming: true}}}
	after := state{leader: "", storeOK: true, nodes: []nodeState{{name: "a", role: "down"}, {name: "b", role: "standby"}}}
	for _, st := range []state{before, before, after, {nodes: after.nodes}} {
		s.show(st, &counters{}, nil)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
		lines = append(lines, text)
	}
	want := []string{
		"leader: a; a primary, b streams", "leader: nobody; a down, b standby",
		"leader: unknown (the store doesn't answer); a down, b standby",
	}
	if strings.Join(lines, "|") != strings.Join(want, "|") {
		t.Errorf("printed %q, want %q", lines, want)
	}
}

func TestStoreThatIsNone(t *testing.T) {
	_, err := Options{Store: "consol", PostgresBin: testenv.PostgresBin(t), Out: &bytes.Buffer{}}.settled()
	want := "--store consol is not allowed: " + strings.Join(lab.StoreNames(), ", ") + " are"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestDirThatIsInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Options{Dir: dir, Out: &bytes.Buffer{}}.settled()
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a directory with something in it: %v", err)
	}
}
