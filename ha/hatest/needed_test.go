package hatest

import (
	"testing"
	"time"
)

// TestStoreComesForAMoment: a store that is back for just long enough to say that
// the leader's lease is over changes nothing while all members pledge.
func TestStoreComesForAMoment(t *testing.T) {
	for name, restart := range map[string]bool{"the agent stays": false, "the agent is started again": true} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 51, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
				leader := inFailsafe(t, c)
				process := c.Server(leader).Look().Process
				c.StartStore()
				termLost(t, c, leader)
				c.StopStore()
				if restart {
					c.KillAgent(leader)
					c.StartAgent(leader)
				}
				c.Run(2 * time.Minute)
				if now := c.Server(leader).Look(); now.Process != process || !now.Writable {
					t.Errorf("the primary was stopped, although all members keep still for it: %+v", now)
				}
			})
		})
	}
}

// TestSickPrimaryInFailsafe: a leader that is cut off from the store, and whose server
// doesn't work any more, starts it again, or gives way to the others, who reach the store.
func TestSickPrimaryInFailsafe(t *testing.T) {
	for name, harm := range map[string]func(c *Cluster, leader string){
		"it hangs":       func(c *Cluster, leader string) { c.HangPostgreSQL(leader) },
		"it can't start": func(c *Cluster, leader string) { c.FillDisk(leader, true) },
	} {
		for where, store := range map[string]func(c *Cluster, leader string){
			"cut off": func(c *Cluster, leader string) { c.CutStore(leader, true, true) },
			"control": func(*Cluster, string) {},
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				start(t, Options{Seed: 52, Config: failsafeConfig(20)}, func(t *testing.T, c *Cluster) {
					leader := c.Leader()
					store(c, leader)
					c.Run(time.Minute)
					process := c.Server(leader).Look().Process
					harm(c, leader)
					expect(t, c, 3*time.Minute, "led by a server that works", func() bool {
						return c.Leader() != "" && c.Server(c.Leader()).Look().Process != process
					})
				})
			})
		}
	}
}

// TestHandoverToOneThatBooted: who hands over knows whether the other may take over.
func TestHandoverToOneThatBooted(t *testing.T) {
	for name, boots := range map[string]bool{"booted": true, "control": false} {
		t.Run(name, func(t *testing.T) {
			config := map[string]any{"ttl": 300, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": true}
			start(t, Options{Seed: 53, Config: config}, func(t *testing.T, c *Cluster) {
				c.Run(6 * time.Minute) // the agents' own first start is long ago
				leader, one, other := c.Leader(), c.Replicas()[0], c.Replicas()[1]
				c.KillHost(other) // for maintenance
				c.Run(10 * time.Second)
				if boots {
					c.KillHost(one)
					c.Run(time.Second)
					c.BootHost(one)
				}
				await(t, c, time.Minute, "one with a replica", func() bool { return len(c.Replicas()) == 1 })
				c.Run(10 * time.Second)
				if err := c.Switchover(leader, one); err != nil {
					t.Fatal(err)
				}
				await(t, c, time.Minute, "one whose request was seen to", func() bool { return !c.Cluster().Failover.Requested() })
				expect(t, c, 15*time.Second, "led", func() bool { return c.Leader() != "" })
				if now := c.Leader(); boots != (now == leader) {
					t.Errorf("%s led, %s leads", leader, now)
				}
			})
		})
	}
}

// TestRollingBoot: in a restart of all hosts one by one, the last
// one's handover finds members that may lead.
func TestRollingBoot(t *testing.T) {
	config := map[string]any{"ttl": 300, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": true}
	start(t, Options{Seed: 54, Config: config}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		for _, n := range c.Replicas() {
			c.KillHost(n)
			c.Run(5 * time.Second)
			c.BootHost(n)
			await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
			c.Run(10 * time.Second)
		}
		at := c.Now()
		c.Shutdown(leader)
		await(t, c, time.Minute, "without a leader", func() bool { return c.Leader() == "" })
		expect(t, c, 20*time.Minute, "led", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took > 15*time.Second {
			t.Errorf("a planned handover took %v", took)
		}
	})
}
