package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// lossesVar says how many hosts are lost one after the other.
const lossesVar = "LOSSES"

// The host of the primary is lost, which was the store's leader, too, until the
// store's leadership left it: a lease that isn't renewed ends when it should.
//
// It doesn't run beside other clusters: it is about an instant.
func TestHostLostWithTheStore(t *testing.T) {
	losses := 1
	if text := os.Getenv(lossesVar); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%s: a number from 1 on is needed", lossesVar, text)
		}
		losses = n
	}
	s, _ := start(t, lab.Options{Colocated: true, Store: findStore(t, "regent-store")})
	s.write()
	bound := s.TTL() + time.Second
	for i := range losses {
		leader := s.healthy()
		s.awaitWrites()
		s.until("the store's leader to be where the primary is", func(ctx context.Context) error { return s.Store.Lead(ctx, leader) })
		s.until("the store's leader to leave the primary's host", func(ctx context.Context) error {
			now, err := s.Store.Leader(ctx)
			if err == nil && now == leader {
				err = fmt.Errorf("it is on %s", now.Name)
			}
			return err
		})
		// Leases have begun anew, and are as they should be from their next renewal
		// on. When the host is lost then is a matter of chance.
		s.pass(2*time.Second + rand.N(time.Second))
		struck := clock.System().Now()
		leader.KillHost()
		s.otherLeads(leader)
		s.awaitWrites()
		// Of all writers: the client may have to wait for a connection to the lost host.
		gap := lab.Recorded(s.writers...).LongestGap(struck, clock.System().Now())
		t.Logf("loss %d, of %s: no write for %v", i+1, leader.Name, gap.Round(time.Millisecond))
		if gap > bound {
			t.Errorf("no write for %v, more than ttl and a second", gap)
		}
		s.must(leader.StartHost())
	}
	s.judge(true)
}
