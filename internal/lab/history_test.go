package lab

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
)

// at is an instant in milliseconds.
func at(ms int) clock.Instant { return clock.Instant(0).Add(time.Duration(ms) * time.Millisecond) }

func acked(node string, timeline uint32, sent, replied int) Write {
	return Write{Writer: "client", Node: node, Timeline: timeline, Sent: at(sent), Replied: at(replied), Acked: true}
}

func failed(node string, sent, replied int) Write {
	return Write{Writer: "client", Node: node, Sent: at(sent), Replied: at(replied)}
}

func TestLongestGap(t *testing.T) {
	h := History{
		acked("a", 1, 5, 10), acked("a", 1, 15, 20), failed("a", 25, 100), failed("b", 150, 200),
		acked("b", 2, 310, 320), acked("b", 2, 325, 330), acked("b", 2, 900, 910),
	}
	for _, c := range []struct {
		name     string
		from, to int
		want     int // milliseconds
	}{
		{"over the whole history", 1, 920, 580},
		{"the failover alone: from the last before it", 21, 330, 300},
		{"ends in the gap: what is known by then", 21, 120, 100},
		{"nothing after the last", 905, 2000, 1090},
		{"begins after the last", 950, 1000, 90},
	} {
		if got := h.LongestGap(at(c.from), at(c.to)); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("%s: %v, want %d ms", c.name, got, c.want)
		}
	}
	if got := (History{}).LongestGap(at(1), at(500)); got != 499*time.Millisecond {
		t.Errorf("nothing was ever acknowledged: %v", got)
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		name string
		h    History
		want int           // overlaps
		two  time.Duration // two primaries
	}{
		{"a failover", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), acked("b", 2, 35, 40)}, 0, 0},
		{"sent before, answered after: allowed", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), acked("a", 1, 25, 40)}, 0, 0},
		{"the old one goes on", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), acked("a", 1, 35, 40), acked("a", 1, 45, 50)}, 2, 20 * time.Millisecond},
		{"refused by the old one", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), failed("a", 35, 40)}, 0, 0},
		{"back to the first node, on a timeline of its own", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), acked("a", 3, 40, 50)}, 0, 0},
		{"two on one timeline", History{acked("a", 2, 5, 10), acked("b", 2, 20, 30), acked("a", 2, 35, 40)}, 2, 20 * time.Millisecond},
		{"the first of three comes back", History{acked("a", 1, 5, 10), acked("b", 2, 20, 30), acked("c", 3, 40, 50), acked("a", 1, 60, 70)}, 1, 40 * time.Millisecond},
		{"a restart in place", History{acked("a", 1, 5, 10), failed("a", 15, 20), acked("a", 1, 300, 310)}, 0, 0},
	} {
		overlaps := c.h.Overlaps()
		if len(overlaps) != c.want {
			t.Errorf("%s: %d overlaps, want %d: %v", c.name, len(overlaps), c.want, overlaps)
		}
		if two := TwoPrimaries(overlaps); two != c.two {
			t.Errorf("%s: two primaries for %v, want %v", c.name, two, c.two)
		}
	}
}
