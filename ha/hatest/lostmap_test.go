package hatest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDeletionThatIsLost: a deletion of the failsafe map that never arrived doesn't
// keep a leader from its failsafe for ever, once failsafe_mode is on again.
func TestDeletionThatIsLost(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			start(t, Options{Seed: seed, Config: failsafeConfig(30)}, func(t *testing.T, c *Cluster) {
				leader := c.Leader()
				off := failsafeConfig(30)
				off["failsafe_mode"] = false
				lost := false
				c.world.before = func(what string) {
					if strings.HasPrefix(what, leader+" store renew") && !lost && !c.Agent(leader).Report().Settings.Failsafe {
						lost = true
						c.CutStore(leader, true, false)
					}
				}
				if err := c.Configure(off); err != nil {
					t.Fatal(err)
				}
				await(t, c, time.Minute, "one whose leader has sent a deletion", func() bool { return lost })
				c.world.before = nil
				c.node(leader).lateRequests = nil // the network has lost them
				if err := c.Configure(failsafeConfig(30)); err != nil {
					t.Fatal(err)
				}
				c.Run(time.Second)
				c.node(leader).lateRequests = nil
				c.CutStore(leader, false, false)
				c.Run(10 * time.Minute)
				if leader = c.Leader(); leader == "" {
					t.Fatal("nobody leads")
				}
				c.StopStore()
				why := ""
				c.Await(2*time.Minute, func() bool {
					if d := c.Agent(leader).Report().Decision; strings.HasPrefix(d.Rule, "failsafe") {
						why = d.Rule + ": " + d.Reason
					}
					return false
				})
				if c.Leader() != leader {
					t.Errorf("%q leads, with the store down, all members there and the map %v: %s", c.Leader(), inMap(c), why)
				}
			})
		})
	}
}
