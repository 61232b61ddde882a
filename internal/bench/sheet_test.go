package bench

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/tally"
)

func TestSheet(t *testing.T) {
	s := &sheet{out: io.Discard}
	s.add("ours", "load average", amount(3))
	for _, d := range []time.Duration{900, 250, 300} {
		s.add("ours", "restart: no writes", seconds(d*time.Millisecond))
	}
	s.add("theirs", "restart: no writes", seconds(3*time.Second))
	s.add("theirs", "switchover: acknowledged rows lost", amount(0))
	var out strings.Builder
	s.print(&out, []string{"ours", "theirs"}, []ratio{{"ours / theirs", "ours", "theirs"}})
	got := regexp.MustCompile(` +`).ReplaceAllString(out.String(), " ")
	want := ` unit ours theirs ours / theirs
restart: no writes s 0.30 (0.25–0.90) 3.00 0.10
switchover: acknowledged rows lost – 0 –
load average 3.00 – –
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseSettings(t *testing.T) {
	s, err := ParseSettings("20/1/3")
	if want := (Settings{20 * time.Second, time.Second, 3 * time.Second}); s != want || err != nil || s.String() != "20/1/3" {
		t.Errorf("%v, %v", s, err)
	}
	for _, text := range []string{"", "20", "20/1", "20/1/3/4", "20/0/3", "20/1/x"} {
		if _, err := ParseSettings(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRequestsAreCountedByNode(t *testing.T) {
	var out strings.Builder
	s := &sheet{out: &out}
	tr := &trial{system: system{Name: "x"}, sheet: s}
	tr.addRequests("replica", map[string]int{"Put": 3, "Range": 2}, map[string]int{"Put": 3, "Range": 12, "Txn": 10, tally.Watching: 5}, 10)
	for name, want := range map[string]float64{
		"idle: requests to the store a loop, replica":  2,
		"idle: " + tally.Watching + " a loop, replica": 0.5,
	} {
		i := slices.IndexFunc(s.rows, func(r row) bool { return r.name == name })
		if i < 0 || s.rows[i].samples["x"][0] != want {
			t.Errorf("%s: want %v in\n%s", name, want, out.String())
		}
	}
	if strings.Contains(out.String(), "Put") {
		t.Errorf("what wasn't sent is told:\n%s", out.String())
	}
}
