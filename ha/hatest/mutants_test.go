package hatest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMutants breaks what keeps a cluster safe, one thing at a time: the
// invariants must notice within some seeds.
func TestMutants(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*Options)
		kinds  []string // of faults that the broken part is there for
		broken string
	}{
		{"no fence", func(o *Options) { o.NoFence = true }, []string{"agent frozen", "agent killed"}, "accepts writes although its right to lead ended"},
		{"no lag check", func(o *Options) { o.NoLagCheck = true }, []string{"isolated", "host lost", "replication cut"}, "more than maximum_lag_on_failover"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(40) {
				o := Options{Seed: seed + 1}
				test.mutate(&o)
				var err error
				synctest.Test(t, func(t *testing.T) { err = Chaos{Options: o, Kinds: test.kinds}.Run(t) })
				if err != nil && strings.Contains(err.Error(), test.broken) {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
				if err != nil {
					t.Logf("seed %d broke otherwise: %v", seed+1, err)
				}
			}
			t.Errorf("no history breaks it: the invariants are blind")
		})
	}
}

// A lease that is counted from the answer and not from before its request is
// longer than the store's by what the answer took.
func TestMutantLeaseStampedLate(t *testing.T) {
	t.Parallel()
	slowed := func(seed uint64, late bool) (err error) {
		synctest.Test(t, func(t *testing.T) {
			config := map[string]any{"ttl": 60, "loop_wait": 10, "retry_timeout": 28} // answers may take 14 s
			c := New(t, Options{Seed: seed, Config: config, LeaseStampedLate: late})
			if !c.Await(2*time.Minute, func() bool { return c.Healthy() == "" }) {
				t.Fatal(c.Healthy())
			}
			leader := c.Leader()
			c.SlowNetwork(leader, 6*time.Second)
			c.Run(time.Minute)
			c.FreezeAgent(leader)
			c.Run(time.Minute)
			err = c.Err()
		})
		return err
	}
	blind := true // how late the last answer comes is a matter of chance
	for seed := range uint64(5) {
		if err := slowed(seed+1, false); err != nil {
			t.Errorf("seed %d, without the fault: %v", seed+1, err)
		}
		err := slowed(seed+1, true)
		t.Logf("seed %d: %v", seed+1, err)
		if err != nil && strings.Contains(err.Error(), "accepts writes although its right to lead ended") {
			blind = false
		}
	}
	if blind {
		t.Error("no answer that comes late breaks it: the invariants are blind")
	}
}
