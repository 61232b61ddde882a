package hatest

import (
	"strings"
	"testing"
	"time"
)

// TestPromotionInFlight: a promotion that was asked for takes its time, and asking for it
// once more fails. It may take effect all the same: the key isn't let go before the
// server was stopped.
func TestPromotionInFlight(t *testing.T) {
	for name, harm := range map[string]func(c *Cluster, name string){
		"the run directory is full, the guard silent": func(c *Cluster, name string) { c.FillRunDir(name, true); c.Run(2 * time.Second); c.MuteGuard(name) },
		"the server doesn't say how it is":            func(c *Cluster, name string) { c.FailQueries(name, 3); c.MuteGuard(name) },
	} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 61}, func(t *testing.T, c *Cluster) {
				leader := c.Leader()
				for _, n := range c.Replicas() {
					c.DelayReplay(n, 30*time.Second)
				}
				asked := ""
				c.world.before = func(what string) {
					if who, doing, _ := strings.Cut(what, " "); doing == "postgresql promote now" && asked == "" {
						asked = who
					}
				}
				c.KillHost(leader)
				await(t, c, time.Minute, "one whose promotion was asked for", func() bool { return asked != "" })
				c.world.before = nil
				c.Run(500 * time.Millisecond)
				harm(c, asked)
				c.Run(2 * time.Minute)
			})
		})
	}
}
