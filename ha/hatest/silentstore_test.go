package hatest

import (
	"fmt"
	"testing"
	"time"
)

// TestSilentStore: a store that takes requests and answers none leaves a leader the
// time to ask for pledges, with the common settings and whenever it falls silent.
func TestSilentStore(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			start(t, Options{Seed: seed}, func(t *testing.T, c *Cluster) {
				leader := c.Leader()
				c.Run(time.Duration(seed) * 1400 * time.Millisecond)
				c.FreezeStore()
				for range 8 {
					if c.Run(15 * time.Second); c.Leader() != leader {
						t.Fatalf("%q leads, and not %s by the pledges of the others", c.Leader(), leader)
					}
				}
				c.StartStore()
				await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
			})
		})
	}
}
