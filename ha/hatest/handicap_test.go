package hatest

import (
	"strings"
	"testing"
	"time"
)

// Timings that handicaps are tried under.
var (
	shortLease = map[string]any{"ttl": 5, "loop_wait": 1, "retry_timeout": 1, "failsafe_mode": true}
	longLease  = map[string]any{"ttl": 30, "loop_wait": 10, "retry_timeout": 10, "failsafe_mode": true}
)

// aBitBehind makes one of the two replicas lack rows that the other has, and no more
// than a leader may lack.
func aBitBehind(c *Cluster) (leader, further, short string) {
	leader = c.Leader()
	further, short = c.Replicas()[0], c.Replicas()[1]
	c.CutReplication(leader, short, true)
	c.Run(time.Second)
	return leader, further, short
}

// elected runs until name leads, for limit at most, and returns how often the
// leader key was won meanwhile.
func elected(t *testing.T, c *Cluster, name string, limit time.Duration) (wins int) {
	t.Helper()
	won := map[string]bool{}
	if before := c.Cluster().Leader; before != nil {
		won[before.Lineage] = true
	}
	had := len(won)
	await(t, c, limit, "led by "+name, func() bool {
		if l := c.Cluster().Leader; l != nil {
			won[l.Lineage] = true
		}
		return c.Leader() == name
	})
	return len(won) - had
}

// withoutTheBest loses the leader's host while the replica that has got further can't
// lead because of fault: the other one does, and nobody takes turns.
func withoutTheBest(t *testing.T, config map[string]any, ttl time.Duration, fault func(c *Cluster, further string)) {
	start(t, Options{Seed: 31, Config: config}, func(t *testing.T, c *Cluster) {
		leader, further, short := aBitBehind(c)
		fault(c, further)
		c.KillHost(leader)
		if wins := elected(t, c, short, ttl+5*time.Second); wins > 2 {
			t.Errorf("the leader key was won %d times", wins)
		}
		c.Run(ttl)
		if c.Leader() != short {
			t.Errorf("%q leads, not %s", c.Leader(), short)
		}
		c.CutReplication(leader, short, false)
		c.Heal()
		await(t, c, 3*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}

// TestBestReplicaWithoutGuard: the guard of the replica that has got further is
// frozen. It doesn't run, and isn't waited for.
func TestBestReplicaWithoutGuard(t *testing.T) {
	freeze := func(c *Cluster, further string) { c.FreezeGuard(further) }
	t.Run("ttl 30", func(t *testing.T) { withoutTheBest(t, longLease, 30*time.Second, freeze) })
	t.Run("ttl 5", func(t *testing.T) { withoutTheBest(t, shortLease, 5*time.Second, freeze) })
}

// TestBestReplicaWithoutRunDirectory: the replica that has got further can't write
// down a lease.
func TestBestReplicaWithoutRunDirectory(t *testing.T) {
	fill := func(c *Cluster, further string) { c.FillRunDir(further, true) }
	t.Run("ttl 30", func(t *testing.T) { withoutTheBest(t, longLease, 30*time.Second, fill) })
	t.Run("ttl 5", func(t *testing.T) { withoutTheBest(t, shortLease, 5*time.Second, fill) })
}

// TestBestReplicaWithoutStore: the replica that has got further is cut off from the store.
func TestBestReplicaWithoutStore(t *testing.T) {
	cut := func(c *Cluster, further string) { c.CutStore(further, true, true) }
	t.Run("ttl 30", func(t *testing.T) { withoutTheBest(t, longLease, 30*time.Second, cut) })
	t.Run("ttl 5", func(t *testing.T) { withoutTheBest(t, shortLease, 5*time.Second, cut) })
}

// lateArms delays the guard's answer to the next arms of a node.
func lateArms(c *Cluster, name string, times int) {
	c.world.before = func(what string) {
		if times == 0 || !strings.HasPrefix(what, name+" guard arm") {
			return
		}
		times--
		c.SlowGuard(name, 1500*time.Millisecond)
		c.world.in(time.Millisecond, "", func() { c.SlowGuard(name, 0) })
	}
}

// TestGuardLateOnce: the guard acknowledges the arm of an elected replica a moment
// too late. It is asked once more, and no ttl passes.
func TestGuardLateOnce(t *testing.T) {
	for _, config := range []map[string]any{longLease, shortLease} {
		start(t, Options{Seed: 32, Config: config}, func(t *testing.T, c *Cluster) {
			leader, further, _ := aBitBehind(c)
			lateArms(c, further, 1)
			c.KillHost(leader)
			elected(t, c, further, c.opts.settings.TTL+6*time.Second)
		})
	}
}

// TestGuardAlwaysLate: the guard of the replica that has got further answers, and
// never acknowledges an arm in time, which can't be known before it has won.
func TestGuardAlwaysLate(t *testing.T) {
	for _, config := range []map[string]any{longLease, shortLease} {
		start(t, Options{Seed: 33, Config: config}, func(t *testing.T, c *Cluster) {
			leader, further, short := aBitBehind(c)
			lateArms(c, further, 1000)
			c.KillHost(leader)
			if wins := elected(t, c, short, c.opts.settings.TTL+10*time.Second); wins > 2 {
				t.Errorf("the leader key was won %d times", wins)
			}
		})
	}
}
