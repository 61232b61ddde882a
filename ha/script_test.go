package ha

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

var rewrite = flag.Bool("rewrite", false, "write what decide says into the scripts; review the diff")

// TestScripts runs testdata/*.txt. Each case is a view, told line by line as
// what differs from a quiet member a of the cluster 7000000000000000001, and
// behind => what is decided about it. See testdata/README.md for the words.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		if i > 0 {
			out.WriteString("\n\n")
		}
		given, want, _ := strings.Cut(block, "\n=> ")
		out.WriteString(given)
		name := strings.TrimPrefix(strings.SplitN(given, "\n", 2)[0], "== ")
		if !strings.HasPrefix(given, "== ") {
			out.WriteString(strings.TrimPrefix(block, given))
			continue // a comment
		}
		t.Run(name, func(t *testing.T) {
			s := newScene()
			scanner := bufio.NewScanner(strings.NewReader(given))
			for scanner.Scan() {
				if line := scanner.Text(); !strings.HasPrefix(line, "==") && !strings.HasPrefix(line, "#") {
					if err := s.tell(line); err != nil {
						t.Fatalf("%q: %v", line, err)
					}
				}
			}
			got := s.outcome()
			out.WriteString("\n=> " + got)
			if got != want && !*rewrite {
				t.Errorf("got\n=> %s\nwant\n=> %s", got, want)
			}
			if again := s.outcome(); again != got {
				t.Errorf("the same view gave another decision:\n=> %s", again)
			}
		})
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// scene builds a view from the words of a script.
type scene struct{ v view }

const (
	sceneNow     = clock.Instant(1000 * time.Second)
	sceneCluster = "7000000000000000001"
	scenePID     = 4242
)

func newScene() *scene {
	s := &scene{v: view{
		Now:      sceneNow,
		Wall:     time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		Self:     self{Name: "a", Version: Version, Regent: "1", ConnURL: "postgres://10.0.0.1:5432/postgres", APIURL: "http://10.0.0.1:8008/patroni", CanRewind: "use_pg_rewind is off"},
		Settings: DefaultSettings(),
		Peers:    map[string]peer{},
		Seen:     map[string]clock.Instant{},
	}}
	v := &s.v
	v.Store = store{Fresh: true, Received: true}
	v.Guard.Connected = true
	v.Store.Cluster.Initialize = dcs.Initialized{Present: true, SystemID: sceneCluster, Version: "i1"}
	v.Store.Cluster.Config = dcs.Configuration{Values: map[string]any{}, Version: "c1"}
	v.Store.Cluster.Members = []dcs.Member{{Name: "a", APIURL: v.Self.APIURL, ConnURL: v.Self.ConnURL, State: "running", Role: "replica"}}
	v.Server = postgres.Status{Data: postgres.DataValid, State: postgres.StateStopped, SystemID: sceneCluster, Standby: true,
		Control: &postgres.Control{State: "shut down in recovery"}}
	v.Memory = memory{FirstTouch: 1, Blank: 1, LastTouch: sceneNow.Add(-time.Second), LastSlots: sceneNow.Add(-time.Second)}
	return s
}

// outcome is the decision, less the touch that follows from it.
func (s *scene) outcome() string {
	v := s.v
	if v.Memory.Touched == "" {
		m := remember(v)
		v.Memory.Touched = entryDigest(memberEntry(v, decision{Memory: m}))
	}
	d := decide(v)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", d.ID, d.Reason)
	for _, a := range d.Actions {
		if _, ok := a.(touch); ok && !strings.Contains(s.v.Memory.Touched, "show") {
			continue
		}
		fmt.Fprintf(&b, "\n   %s", a)
	}
	if next := d.Next.Sub(v.Now); next < v.Settings.LoopWait {
		fmt.Fprintf(&b, "\n   look again in %v", next)
	}
	return b.String()
}

// words are the rest of a line: bare words and key=value.
type words struct {
	now    clock.Instant
	bare   []string
	values map[string]string
}

func (w words) has(word string) bool {
	for _, b := range w.bare {
		if b == word {
			return true
		}
	}
	return false
}

func (w words) number(key string, otherwise uint64) uint64 {
	text, ok := w.values[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s=%s is no number", key, text))
	}
	return n
}

// ago is an instant before now; without the key it never happened.
func (w words) ago(key string) clock.Instant {
	text, ok := w.values[key]
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(fmt.Sprintf("%s=%s is no duration", key, text))
	}
	return w.now.Add(-d)
}

func splitWords(line string) (string, words) {
	w := words{values: map[string]string{}}
	fields := quotedFields(line)
	for _, f := range fields[1:] {
		if key, value, ok := strings.Cut(f, "="); ok {
			w.values[key] = value
		} else {
			w.bare = append(w.bare, f)
		}
	}
	return fields[0], w
}

// quotedFields splits at blanks that stand outside of double quotes.
func quotedFields(line string) []string {
	quoted := false
	var b strings.Builder
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ' ' && quoted:
			b.WriteRune('\x00')
		default:
			b.WriteRune(r)
		}
	}
	fields := strings.Fields(b.String())
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], "\x00", " ")
	}
	return fields
}
