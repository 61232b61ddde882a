package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseHistory(t *testing.T) {
	text := "# a comment\n\n1\t0/5000000\tno recovery target specified\n   \n 3\t0/A000000\tbefore transaction 7\tat noon\n5  1/0  \n"
	got, err := parseHistory(text, 6)
	want := []HistoryLine{{1, 0x5000000, "no recovery target specified"}, {3, 0xA000000, "before transaction 7\tat noon"}, {5, 1 << 32, ""}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"x\t0/1\tr", "1\tnowhere\tr", "0\t0/1\tr", "2\t0/5\tr\n1\t0/6\tr", "1\t0/5\tr\n2\t0/4\tr", "6\t0/5\tr", "1"} {
		if got, err := parseHistory(bad, 6); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestCompareHistory(t *testing.T) {
	lines := func(pairs ...uint64) (h []HistoryLine) {
		for i := 0; i < len(pairs); i += 2 {
			h = append(h, HistoryLine{Timeline: Timeline(pairs[i]), Switch: LSN(pairs[i+1])})
		}
		return h
	}
	for _, c := range []struct {
		name         string
		ours, theirs branch
		diverged     bool
		fork         LSN
	}{
		{"a standby behind its primary", branch{nil, 1, 90}, branch{nil, 1, 100}, false, 90},
		{"a standby at its primary's end", branch{nil, 1, 100}, branch{nil, 1, 100}, false, 100},
		{"farther than a primary on the same timeline", branch{nil, 1, 101}, branch{nil, 1, 100}, true, 0},
		{"farther than a primary on the same later timeline", branch{lines(1, 50), 2, 101}, branch{lines(1, 50), 2, 100}, true, 50},
		{"a standby behind the switch point", branch{nil, 1, 90}, branch{lines(1, 100), 2, 150}, false, 90},
		{"a primary stopped right at the switch point", branch{nil, 1, 100}, branch{lines(1, 100), 2, 150}, false, 100},
		{"a primary past the switch point", branch{nil, 1, 101}, branch{lines(1, 100), 2, 150}, true, 100},
		{"a primary far past all that the new one has", branch{nil, 1, 1000}, branch{lines(1, 100), 2, 150}, true, 100},
		{"two switches later", branch{lines(1, 100), 2, 180}, branch{lines(1, 100, 2, 200), 3, 210}, false, 180},
		{"past the second switch", branch{lines(1, 100), 2, 201}, branch{lines(1, 100, 2, 200), 3, 210}, true, 200},
		{"same numbers, other switch points", branch{lines(1, 100), 2, 120}, branch{lines(1, 90), 2, 150}, true, 90},
		{"same numbers, our switch is earlier", branch{lines(1, 80), 2, 85}, branch{lines(1, 90), 2, 150}, true, 80},
		{"a higher number, not on its history", branch{lines(1, 100), 3, 120}, branch{lines(1, 110), 2, 150}, true, 100},
		{"a lower number, not on its history", branch{lines(1, 100), 2, 120}, branch{lines(1, 100), 3, 150}, true, 100},
		{"promoted, and it never noticed", branch{lines(1, 100), 2, 120}, branch{nil, 1, 110}, true, 100},
		{"promoted, and it went on", branch{lines(1, 100), 2, 120}, branch{nil, 1, 90}, true, 90},
		{"nothing in common", branch{lines(2, 100), 3, 120}, branch{lines(1, 100), 3, 150}, true, 0},
	} {
		got := compareHistory(c.ours, c.theirs)
		if got.Diverged != c.diverged || got.Fork != c.fork || got.Reason == "" {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

// modelServer is a server of a model without files: its WAL is a list of
// records that are all different; a promotion writes one.
type modelServer struct {
	records  []int
	history  []HistoryLine
	timeline Timeline
}

func (m modelServer) at(end int) branch {
	b := branch{end: LSN(end), timeline: m.timeline}
	for _, h := range m.history {
		if LSN(end) <= h.Switch {
			b.timeline = h.Timeline
			break
		}
		b.history = append(b.history, h)
	}
	return b
}

// promote makes a new server of the first end records, on a timeline of a number
// that is higher than all that it knows of, as far as known.
func (m modelServer) promote(end, record, known int) modelServer {
	b := m.at(end)
	n := modelServer{timeline: b.timeline + Timeline(known)}
	n.history = append(append(n.history, b.history...), HistoryLine{Timeline: b.timeline, Switch: LSN(end)})
	n.records = append(append(n.records, m.records[:end]...), record)
	return n
}

func TestCompareHistoryAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := 0
		next := func() int { record++; return record }
		servers := []modelServer{{timeline: 1, records: []int{next()}}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			i := rapid.IntRange(0, len(servers)-1).Draw(t, "server")
			if rapid.Bool().Draw(t, "promote") {
				end := rapid.IntRange(1, len(servers[i].records)).Draw(t, "end")
				servers = append(servers, servers[i].promote(end, next(), rapid.IntRange(1, 2).Draw(t, "known")))
				continue
			}
			for range rapid.IntRange(1, 3).Draw(t, "records") {
				servers[i].records = append(servers[i].records, next())
			}
		}
		for _, a := range servers {
			for _, b := range servers {
				for end := range len(a.records) {
					checkAgainstModel(t, a, end+1, b)
				}
			}
		}
	})
}

// checkAgainstModel compares the first end records of a with all of b.
func checkAgainstModel(t *rapid.T, a modelServer, end int, b modelServer) {
	ours, theirs := a.at(end), b.at(len(b.records))
	got := compareHistory(ours, theirs)
	common := 0
	for common < min(end, len(b.records)) && a.records[common] == b.records[common] {
		common++
	}
	twins := hasTwins(ours, theirs, common)
	switch ancestor := common == end; {
	case ancestor && got.Diverged:
		t.Fatalf("an ancestor was called diverged: %+v\nours %+v\ntheirs %+v", got, ours, theirs)
	case !ancestor && !got.Diverged && !twins:
		t.Fatalf("%d of %d records are common, and it wasn't noticed: %+v\nours %+v\ntheirs %+v", common, end, got, ours, theirs)
	case int(got.Fork) != common && !twins && common != 0:
		t.Fatalf("fork at %d, but %d records are common: %+v\nours %+v\ntheirs %+v", got.Fork, common, got, ours, theirs)
	}
}

// hasTwins says whether the histories agree on a switch at the end of what is
// common: one promotion of each side, taken for the same. It is the one thing
// that histories can't tell; sameWAL does.
func hasTwins(ours, theirs branch, common int) bool {
	for i, h := range ours.history {
		if i >= len(theirs.history) || h != theirs.history[i] {
			return false
		}
		next, _, _ := ours.step(i + 1)
		same, _, _ := theirs.step(i + 1)
		if int(h.Switch) == common && next == same {
			return true
		}
	}
	return false
}

func TestRecordEnd(t *testing.T) {
	for _, c := range []struct {
		start  LSN
		length int
		want   LSN
	}{
		{0x3000028, 114, 0x30000A0},             // pg_waldump and a promotion agree on it
		{0x1511A88, 114, 0x1511B00},             //
		{0x2000, 8192 - 24, 0x2000 + 8168},      // fits
		{0x1FF0, 24, 0x2000 + 24 + 8},           // 16 bytes here, 8 after a page header
		{0x1FFFFF0, 24, 0x2000000 + 40 + 8},     // the same at a segment's end: a long header
		{0x1FE0, 32, 0x2000},                    // ends with its page
		{0x1FE0, 29, 0x2000},                    // aligned to the page's end
		{0x1FF8, 8 + 8168 + 8, 0x4000 + 24 + 8}, // over three pages
	} {
		if got := recordEnd(c.start, c.length, 8192, 16<<20); got != c.want {
			t.Errorf("%s + %d: got %s, want %s", c.start, c.length, got, c.want)
		}
	}
}
