package hatest

import (
	"testing"
	"time"
)

// TestStoreSilentDuringATouch: a store that falls silent while the leader publishes
// its entry doesn't keep it from asking for pledges: it goes on as primary.
func TestStoreSilentDuringATouch(t *testing.T) {
	start(t, Options{Seed: 18}, func(t *testing.T, c *Cluster) {
		if err := c.Configure(map[string]any{"ttl": 5, "loop_wait": 1, "retry_timeout": 1, "failsafe_mode": true}); err != nil {
			t.Fatal(err)
		}
		c.Run(10 * time.Second)
		leader := c.Leader()
		frozen := false
		c.world.before = func(what string) {
			if what == leader+" store touch" && !frozen {
				frozen = true
				c.FreezeStore()
			}
		}
		await(t, c, 10*time.Second, "without a store", func() bool { return frozen })
		for range 60 {
			c.Run(time.Second)
			if c.Leader() != leader {
				t.Fatalf("%q leads, and nothing but the store was silent", c.Leader())
			}
		}
		c.world.before = nil
		c.StartStore()
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
