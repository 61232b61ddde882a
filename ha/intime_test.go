package ha

import (
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/postgres"
)

// A server that may take writes is gone by the instant of the guard's kill; one that
// nothing allows to run is stopped without what the user wants to be run before.
func TestInTime(t *testing.T) {
	for name, test := range map[string]struct {
		scene  []string
		within time.Duration
		atOnce bool
	}{
		"a leader":                         {[]string{"term renewed=10s", "server running primary"}, 19200 * time.Millisecond, false},
		"a leader that is being promoted":  {[]string{"term renewed=10s", "memory promoting=1s", "server running replica"}, 19200 * time.Millisecond, false},
		"a primary without a lease":        {[]string{"leader b", "server running primary"}, demoteWithin, true},
		"one whose lease is about to end":  {[]string{"term renewed=29.5s", "server running primary"}, demoteWithin, true},
		"a standby":                        {[]string{"leader b", "server running replica"}, 0, false},
		"a standby that may be promoted":   {[]string{"leader b", "memory promoting=1s", "server running replica"}, demoteWithin, true},
		"a server that is on its way up":   {[]string{"leader b", `server starting control="in production"`}, demoteWithin, true},
		"a standby that is on its way up":  {[]string{"leader b", `server starting control="in archive recovery" standby.signal`}, 0, false},
		"a primary that answers nobody":    {[]string{"leader b", `server unknown control="in production"`}, demoteWithin, true},
		"a primary on the others' pledges": {[]string{"store err=down", "pledges given=5s", "server running primary"}, 24200 * time.Millisecond, false},
	} {
		s := newScene()
		for _, line := range test.scene {
			if err := s.tell(line); err != nil {
				t.Fatal(err)
			}
		}
		got := inTime(s.v, postgres.Stop{Mode: postgres.StopFast, Escalate: time.Second})
		if got.Within.Round(100*time.Millisecond) != test.within || got.AtOnce != test.atOnce || got.Escalate != time.Second {
			t.Errorf("%s: %+v, want within %v, at once %v", name, got, test.within, test.atOnce)
		}
	}
}

// Hooks come in order, and one that hangs holds nobody up who tells it something.
func TestTeller(t *testing.T) {
	var tells teller
	var mu sync.Mutex
	var got []int
	hang := make(chan struct{})
	tells.say(func() { <-hang })
	for i := range 100 {
		tells.say(func() {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, i)
		})
	}
	mu.Lock()
	early := len(got)
	mu.Unlock()
	close(hang)
	tells.leaves.Wait()
	for i := range 100 {
		if len(got) != 100 || got[i] != i || early != 0 {
			t.Fatalf("%d calls came early; all were %v", early, got)
		}
	}
}
