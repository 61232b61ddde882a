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

// TestForbiddenPromotion: who may not be promoted lets another one lead, also one that
// has less, and comes to lead if there is nobody else.
func TestForbiddenPromotion(t *testing.T) {
	start(t, Options{Seed: 53, Config: short}, func(t *testing.T, c *Cluster) {
		leader, replicas := c.Leader(), c.Replicas()
		for _, r := range replicas {
			c.ForbidPromotion(r, true)
		}
		c.KillHost(leader)
		c.Run(30 * time.Second)
		if c.Leader() != "" {
			t.Fatalf("%s leads", c.Leader())
		}
		c.ForbidPromotion(replicas[1], false)
		await(t, c, time.Minute, "led by "+replicas[1], func() bool { return c.Leader() == replicas[1] })
		c.ForbidPromotion(replicas[0], false)
		c.BootHost(leader)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestLeaseLostBeforeThePromotion: a standby whose lease ends while its promotion is
// being prepared isn't promoted, and goes on as a standby.
func TestLeaseLostBeforeThePromotion(t *testing.T) {
	start(t, Options{Seed: 54, Config: short}, func(t *testing.T, c *Cluster) {
		leader, replicas := c.Leader(), c.Replicas()
		processes := map[string]int{}
		for _, r := range replicas {
			c.SlowServer(r, 20*time.Second, false, "pre_promote")
			processes[r] = c.standbyProcess(r)
		}
		c.KillHost(leader)
		winner := ""
		await(t, c, 20*time.Second, "won", func() bool {
			if l := c.Cluster().Leader; l != nil && l.Name != leader {
				winner = l.Name
			}
			return winner != ""
		})
		c.Run(2 * time.Second) // it has begun
		for _, r := range replicas {
			c.SlowServer(r, 0, false, "pre_promote")
		}
		c.CutStore(winner, true, true)
		await(t, c, 30*time.Second, "led by another", func() bool { return c.Leader() != "" })
		if c.Leader() == winner || c.standbyProcess(winner) != processes[winner] {
			t.Fatalf("%s leads; %s had won, with process %d, and is %+v", c.Leader(), winner, processes[winner], c.Server(winner).Look())
		}
		c.CutStore(winner, false, false)
		c.Run(25 * time.Second) // what ran before the promotion ends
		c.BootHost(leader)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestStartThatHangs: a leader whose server can't be started again, since a disk hangs,
// keeps its lease for no longer than a start may take, and another one leads.
func TestStartThatHangs(t *testing.T) {
	start(t, Options{Seed: 55, Config: short}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		c.SlowServer(leader, 2*time.Minute, true, "start")
		c.KillPostgreSQL(leader)
		await(t, c, 20*time.Second, "led by another", func() bool { return c.Leader() != "" && c.Leader() != leader })
		c.SlowServer(leader, 0, false, "start")
		await(t, c, 4*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
