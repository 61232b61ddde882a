// Package fake shows tests of failover without a server: real agents and guards
// on a store and on PostgreSQL servers that exist only in memory, in virtual time.
// Minutes of a cluster's life take milliseconds, and a seed is always the same
// history.
//
//	go test -v ./examples/fake
package fake

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/ha/hatest"
)

// inCluster runs a test in a cluster of three that is whole.
func inCluster(t *testing.T, o hatest.Options, test func(t *testing.T, c *hatest.Cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := hatest.New(t, o)
		await(t, c, 2*time.Minute, "the cluster to be whole", func() bool { return c.Healthy() == "" })
		test(t, c)
		// That there were never two servers that accept writes, that nobody was
		// writable after its lease, and that no promise about rows was broken has
		// been looked at after every step.
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
}

// await lets the cluster live until cond holds.
func await(t *testing.T, c *hatest.Cluster, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	begin := c.Now()
	if !c.Await(limit, cond) {
		c.Tail(t.Output())
		t.Fatalf("waited %v for %s: %s, %v", limit, what, c.Healthy(), c.Err())
	}
	t.Logf("%v for %s", (c.Now() - begin).Round(time.Millisecond), what)
}

func TestReplicaTakesOverFromLostHost(t *testing.T) {
	inCluster(t, hatest.Options{Seed: 1}, func(t *testing.T, c *hatest.Cluster) {
		lost := c.Leader()
		c.KillHost(lost)
		await(t, c, time.Minute, "another leader", func() bool { return c.Leader() != "" })
		if c.Leader() == lost {
			t.Errorf("%s leads and is dead", lost)
		}
		c.BootHost(lost)
		await(t, c, 2*time.Minute, "the lost host to stream again", func() bool { return c.Healthy() == "" })
	})
}

// A frozen agent can't stop its server. Its guard does, before anybody is elected.
func TestGuardStopsServerOfFrozenAgent(t *testing.T) {
	inCluster(t, hatest.Options{Seed: 2}, func(t *testing.T, c *hatest.Cluster) {
		frozen := c.Leader()
		c.FreezeAgent(frozen)
		await(t, c, time.Minute, "nobody to take writes", func() bool { return c.Leader() == "" })
		await(t, c, time.Minute, "another leader", func() bool { return c.Leader() != "" })
		c.ThawAgent(frozen)
		await(t, c, 2*time.Minute, "the thawed member to follow", func() bool { return c.Healthy() == "" })
		if c.Leader() == frozen {
			t.Errorf("%s leads again without an election that it could win", frozen)
		}
	})
}

// With failsafe_mode a leader goes on without its store, as long as all members
// promise to keep still.
func TestStoreIsAway(t *testing.T) {
	for name, failsafe := range map[string]bool{"failsafe": true, "no failsafe": false} {
		t.Run(name, func(t *testing.T) {
			config := map[string]any{"ttl": 30, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": failsafe}
			inCluster(t, hatest.Options{Seed: 3, Config: config}, func(t *testing.T, c *hatest.Cluster) {
				leader := c.Leader()
				c.StopStore()
				c.Run(2 * time.Minute)
				if leads := c.Leader() == leader; leads != failsafe {
					t.Errorf("after two minutes %s leads: %v", leader, leads)
				}
				c.StartStore()
				await(t, c, 2*time.Minute, "the cluster to be whole", func() bool { return c.Healthy() == "" })
			})
		})
	}
}

// Where a release changes what a cluster does, its author finds out here: the
// reason of each decision is what operators read.
func TestReasonIsGiven(t *testing.T) {
	inCluster(t, hatest.Options{Seed: 4, Nodes: 2}, func(t *testing.T, c *hatest.Cluster) {
		from, to := c.Leader(), c.Replicas()[0]
		if err := c.Switchover(from, to); err != nil {
			t.Fatal(err)
		}
		await(t, c, time.Minute, "the switchover", func() bool { return c.Leader() == to })
		last := map[string]string{} // reason by rule
		for _, d := range c.Agent(to).Decisions() {
			t.Logf("%s: %s %v", d.Rule, d.Reason, d.Actions)
			last[d.Rule] = d.Reason
		}
		if last["election/fit"] == "" || last["promote"] == "" {
			t.Error("the new leader doesn't say why it stood for election and was promoted")
		}
	})
}
