package hatest

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// start runs a test on a healthy cluster, and fails it if an invariant broke.
func start(t *testing.T, o Options, test func(t *testing.T, c *Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var trace bytes.Buffer
		o.Trace = &trace
		c := New(t, o)
		defer func() {
			if t.Failed() {
				t.Logf("what happened:\n%s", tailOf(trace.Bytes()))
			}
		}()
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		test(t, c)
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
}

func tailOf(b []byte) []byte { return b[max(0, len(b)-20000):] }

func await(t *testing.T, c *Cluster, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	if !c.Await(limit, cond) {
		t.Fatalf("the cluster never became %s: %s, %v", what, c.Healthy(), c.Err())
	}
}

// TestHostLost: a replica takes over once the lease has ended, and the lost host
// comes back as a replica.
func TestHostLost(t *testing.T) {
	start(t, Options{}, func(t *testing.T, c *Cluster) {
		former, at := c.Leader(), c.Now()
		c.KillHost(former)
		await(t, c, time.Minute, "led again", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took > 30*time.Second+500*time.Millisecond {
			t.Errorf("it took %v, with a ttl of 30 s", took)
		}
		c.BootHost(former)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		if c.Leader() == former {
			t.Error("the lost host leads")
		}
	})
}

func TestSwitchover(t *testing.T) {
	start(t, Options{Seed: 2}, func(t *testing.T, c *Cluster) {
		former, at := c.Leader(), c.Now()
		to := c.Replicas()[0]
		if err := c.Switchover(former, to); err != nil {
			t.Fatal(err)
		}
		await(t, c, 10*time.Second, "led by "+to, func() bool { return c.Leader() == to })
		if took := c.Now() - at; took > time.Second {
			t.Errorf("it took %v", took)
		}
		await(t, c, 10*time.Second, "healthy", func() bool { return c.Healthy() == "" })
		if f := c.Cluster().Failover; f.Requested() {
			t.Errorf("the request is still there: %+v", f)
		}
	})
}

// TestAgentFrozen: the guard stops what the frozen agent can't, and no row is lost.
func TestAgentFrozen(t *testing.T) {
	start(t, Options{Seed: 3}, func(t *testing.T, c *Cluster) {
		former := c.Leader()
		c.FreezeAgent(former)
		await(t, c, time.Minute, "led by another", func() bool { return c.Leader() != "" && c.Leader() != former })
		c.ThawAgent(former)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		if c.Leader() == former {
			t.Error("the thawed agent leads")
		}
	})
}

// TestAgentRestarted: another agent goes on with the server and the lease.
func TestAgentRestarted(t *testing.T) {
	start(t, Options{Seed: 4}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		before := c.Server(leader).Look()
		c.KillAgent(leader)
		c.StartAgent(leader)
		c.Run(time.Minute)
		if after := c.Server(leader).Look(); c.Leader() != leader || after.Process != before.Process {
			t.Errorf("%q leads, the server was %+v and is %+v", c.Leader(), before, after)
		}
	})
}

// TestStoreDown: with failsafe_mode the leader goes on while all members pledge.
func TestStoreDown(t *testing.T) {
	start(t, Options{Seed: 5}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		c.StopStore()
		end := c.Now() + 2*time.Minute
		for c.Now() < end && c.Err() == nil {
			c.Run(100 * time.Millisecond)
			if c.Leader() != leader {
				t.Fatalf("%q leads, %s after the store went down", c.Leader(), 2*time.Minute-(end-c.Now()))
			}
		}
		c.StartStore()
		c.Run(time.Minute)
		if c.Leader() != leader {
			t.Errorf("%q leads after the store came back", c.Leader())
		}
	})
}

// TestStoreFull: a store that can be read and renews nothing is no better than
// one that is down, and with failsafe_mode no worse.
func TestStoreFull(t *testing.T) {
	start(t, Options{Seed: 15}, func(t *testing.T, c *Cluster) {
		leader := c.Leader()
		c.FillStore()
		end := c.Now() + 2*time.Minute
		for c.Now() < end && c.Err() == nil {
			c.Run(100 * time.Millisecond)
			if c.Leader() != leader {
				t.Fatalf("%q leads, %s after the store was full", c.Leader(), 2*time.Minute-(end-c.Now()))
			}
		}
		c.StartStore()
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		if c.Leader() != leader {
			t.Errorf("%q leads after the store took writes again", c.Leader())
		}
	})
}

// TestStoreDownAndCutOff: one member that doesn't pledge is enough to end it.
func TestStoreDownAndCutOff(t *testing.T) {
	start(t, Options{Seed: 6}, func(t *testing.T, c *Cluster) {
		c.CutPeers(c.Leader(), c.Replicas()[0], true)
		c.StopStore()
		await(t, c, time.Minute, "without a leader", func() bool { return c.Leader() == "" })
	})
}

func TestWiped(t *testing.T) {
	start(t, Options{Seed: 7}, func(t *testing.T, c *Cluster) {
		if err := c.WipeStore(); err != nil {
			t.Fatal(err)
		}
		await(t, c, time.Minute, "healthy", func() bool {
			return c.Healthy() == "" && c.Document(dcs.InitializeKey) != nil && c.Document(dcs.ConfigKey) != nil
		})
	})
}

// TestPostgreSQLKilled: the server is started where it was.
func TestPostgreSQLKilled(t *testing.T) {
	start(t, Options{Seed: 8}, func(t *testing.T, c *Cluster) {
		leader, at := c.Leader(), c.Now()
		c.KillPostgreSQL(leader)
		await(t, c, 10*time.Second, "led again", func() bool { return c.Leader() != "" })
		if took := c.Now() - at; took > 500*time.Millisecond || c.Leader() != leader {
			t.Errorf("it took %v until %s leads", took, c.Leader())
		}
	})
}

// TestGuardKilled: its server goes with it, and both come back.
func TestGuardKilled(t *testing.T) {
	start(t, Options{Seed: 9}, func(t *testing.T, c *Cluster) {
		c.KillGuard(c.Leader())
		await(t, c, time.Second, "without a leader", func() bool { return c.Leader() == "" })
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
