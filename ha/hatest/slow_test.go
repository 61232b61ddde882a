package hatest

import (
	"testing"
	"time"
)

// short is a cluster with the shortest leases.
var short = map[string]any{"ttl": 5, "loop_wait": 1, "retry_timeout": 1, "failsafe_mode": true}

// staysLeader lets a time pass in which the leader must go on, as the same process.
func staysLeader(t *testing.T, c *Cluster, leader string) {
	t.Helper()
	before := c.Server(leader).Look().Process
	c.Run(40 * time.Second)
	if now := c.Server(leader).Look().Process; c.Leader() != leader || now != before {
		t.Errorf("%s led with process %d; %q leads, and that is process %d", leader, before, c.Leader(), now)
	}
}

// TestSlowStatementsOfALeader: what a leader asks of its server beside its lease holds
// no renewal up, however long it takes and whether it can be given up.
func TestSlowStatementsOfALeader(t *testing.T) {
	for name, deaf := range map[string]bool{"statements": false, "a disk that hangs": true} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 51, Config: short}, func(t *testing.T, c *Cluster) {
				leader := c.Leader()
				c.SlowServer(leader, 4*time.Second, deaf, "slots", "reload", "history")
				c.Agent(leader).Reload()
				staysLeader(t, c, leader)
				c.Agent(leader).Reload()
				staysLeader(t, c, leader)
			})
		})
	}
}

// TestSlowPrePromote: what runs before a promotion may take longer than a lease, which
// is renewed meanwhile.
func TestSlowPrePromote(t *testing.T) {
	start(t, Options{Seed: 52, Config: short}, func(t *testing.T, c *Cluster) {
		leader, replicas := c.Leader(), c.Replicas()
		for _, r := range replicas {
			c.SlowServer(r, 20*time.Second, false, "pre_promote")
		}
		c.KillHost(leader)
		await(t, c, 40*time.Second, "led by another", func() bool { return c.Leader() != "" })
		for _, r := range replicas {
			c.SlowServer(r, 0, false, "pre_promote")
		}
		c.BootHost(leader)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
