package dcs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"pgregory.net/rapid"
)

func TestPlanIsInOrder(t *testing.T) {
	for _, timing := range []Timing{
		{30 * time.Second, 10 * time.Second, 10 * time.Second},
		{20 * time.Second, time.Second, 3 * time.Second},
		{5 * time.Second, time.Second, time.Second},
		{20 * time.Second, 10 * time.Second, 5 * time.Second},
	} {
		if err := timing.Check(); err != nil {
			t.Errorf("%v: %v", timing, err)
		}
		p := timing.PlanFor(1000, timing.TTL)
		instants := []time.Duration{p.Renew.Sub(1000), p.GiveUp.Sub(1000), p.Failsafe.Sub(1000), p.Timer.Sub(1000), p.Fast.Sub(1000), p.Kill.Sub(1000), p.End.Sub(1000), timing.TTL}
		t.Logf("%v: %v", timing, instants)
		for i := 1; i < len(instants); i++ {
			if instants[i] < instants[i-1] || i > 2 && instants[i] == instants[i-1] {
				t.Errorf("%v: instant %d of %v is out of order", timing, i, instants)
			}
		}
	}
}

// Every combination that config accepts has a plan: ttl at least 5 s, loop_wait
// and retry_timeout at least 1 s, loop_wait + 2*retry_timeout at most ttl.
func TestEveryLegalTimingHasAPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := rapid.IntRange(5, 600).Draw(t, "ttl")
		retry := rapid.IntRange(1, (ttl-1)/2).Draw(t, "retry_timeout")
		loop := rapid.IntRange(1, ttl-2*retry).Draw(t, "loop_wait")
		timing := Timing{time.Duration(ttl) * time.Second, time.Duration(loop) * time.Second, time.Duration(retry) * time.Second}
		if err := timing.Check(); err != nil {
			t.Fatal(err)
		}
		p := timing.PlanFor(0, timing.TTL)
		if !(0 < p.Renew && p.Renew < p.GiveUp && p.GiveUp <= p.Failsafe && p.Failsafe < p.Timer && p.Timer < p.Fast && p.Fast < p.Kill && p.Kill < p.End) {
			t.Fatalf("%v: %+v", timing, p)
		}
	})
}

// A store may grant less than ttl. Then the instants are in order all the same, and
// something is left for a second try.
func TestPartOfTTL(t *testing.T) {
	for _, timing := range []Timing{
		{TTL: 30 * time.Second, LoopWait: 10 * time.Second, RetryTimeout: 10 * time.Second},
		{TTL: 20 * time.Second, LoopWait: time.Second, RetryTimeout: 9 * time.Second},
		{TTL: 5 * time.Minute, LoopWait: time.Minute, RetryTimeout: 2 * time.Minute},
	} {
		for _, lease := range []time.Duration{4 * time.Second, timing.TTL / 2, time.Minute} {
			p := timing.PlanFor(0, min(lease, timing.TTL))
			inOrder := []clock.Instant{0, p.Renew, p.GiveUp, p.Timer, p.Fast, p.Kill, p.End}
			if !slices.IsSorted(inOrder) || p.GiveUp.After(p.Failsafe) || p.Renew.Sub(0) < 500*time.Millisecond ||
				p.GiveUp.Sub(p.Renew) < min(timing.RetryTimeout, time.Second) {
				t.Errorf("%+v, lease %v: %+v", timing, lease, p)
			}
		}
	}
}

func TestCheckNamesTheNumber(t *testing.T) {
	err := Timing{5 * time.Second, time.Second, 4 * time.Second}.Check()
	if err == nil || !strings.Contains(err.Error(), "retry_timeout (4s)") {
		t.Errorf("got %v", err)
	}
}

// TestSafetyTable keeps the table of docs/safety.md true.
func TestSafetyTable(t *testing.T) {
	text, err := os.ReadFile("../docs/safety.md")
	if err != nil {
		t.Fatal(err)
	}
	second := time.Second
	plans := []Plan{
		Timing{30 * second, 10 * second, 10 * second}.PlanFor(0, 30*second),
		Timing{20 * second, second, 3 * second}.PlanFor(0, 20*second),
		Timing{5 * second, second, second}.PlanFor(0, 5*second),
	}
	rows := map[string]func(Plan) clock.Instant{
		"next renewal":      func(p Plan) clock.Instant { return p.Renew },
		"renewal given up":  func(p Plan) clock.Instant { return p.GiveUp },
		"failsafe answered": func(p Plan) clock.Instant { return p.Failsafe },
		"lease timer":       func(p Plan) clock.Instant { return p.Timer },
		"guard, fast":       func(p Plan) clock.Instant { return p.Fast },
		"guard, kill":       func(p Plan) clock.Instant { return p.Kill },
		"end":               func(p Plan) clock.Instant { return p.End },
	}
	for name, instant := range rows {
		row := "| " + name + " |"
		for _, p := range plans {
			row += fmt.Sprintf(" %.1f |", instant(p).Sub(0).Seconds())
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/safety.md has no row %q", row)
		}
	}
}
