package hatest

import (
	"testing"
	"time"
)

// TestDemotedWithoutTheStore: who has demoted because the store is unreachable
// is a standby to read from until it comes back, and nothing stops it again.
func TestDemotedWithoutTheStore(t *testing.T) {
	start(t, Options{Seed: 14}, func(t *testing.T, c *Cluster) {
		if err := c.Configure(map[string]any{"failsafe_mode": false}); err != nil {
			t.Fatal(err)
		}
		leader := c.Leader()
		c.Run(10 * time.Second)
		c.StopStore()
		await(t, c, time.Minute, "without a leader", func() bool { return c.Leader() == "" })
		standby := func() bool { l := c.Server(leader).Look(); return l.Running && l.Standby && !l.Writable }
		await(t, c, 10*time.Second, "read-only", standby)
		before := c.Server(leader).Look()
		c.Run(time.Minute)
		if after := c.Server(leader).Look(); after.Process != before.Process || !standby() {
			t.Errorf("it was %+v and is %+v", before, after)
		}
		c.StartStore()
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
