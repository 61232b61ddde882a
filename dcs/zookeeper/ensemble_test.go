package zookeeper_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// member returns one of the servers that is in that mode.
func member(t *testing.T, server *testenv.ZooKeeperCluster, mode string) *testenv.ZooKeeperMember {
	t.Helper()
	for _, m := range server.Members {
		if is, err := m.Mode(); err == nil && is == mode {
			return m
		}
	}
	t.Fatalf("no server is %s", mode)
	return nil
}

func others(server *testenv.ZooKeeperCluster, but *testenv.ZooKeeperMember) (addrs []string) {
	for _, m := range server.Members {
		if m != but {
			addrs = append(addrs, m.Addr)
		}
	}
	return addrs
}

// stays fails the test if the key goes before the lease's end, as o sees it.
func stays(t *testing.T, o dcs.DCS, l dcs.Lease) {
	t.Helper()
	seen := false
	for clock.System().Now().Before(l.End()) {
		s, err := o.Read(storetest.Within(t, 5*time.Second))
		now := clock.System().Now()
		if err == nil && (s.Leader == nil || s.Leader.Grant != l.ID) && now.Before(l.End()) {
			t.Fatalf("the key went %v before the end of the lease %+v; the holder is %+v", l.End().Sub(now), l, s.Leader)
		}
		seen = seen || err == nil
		storetest.SleepUntil(now.Add(50 * time.Millisecond))
	}
	if !seen {
		t.Fatal("the key was never read")
	}
	testenv.Eventually(t, storetest.Patience, "the key to end", func() error {
		s, err := o.Read(storetest.Within(t, 5*time.Second))
		if err == nil && s.Leader != nil {
			err = errors.New("it is there")
		}
		return err
	})
}

// A follower is cut off right after it acknowledged: what it knew of its clients
// and had not yet told is lost, and the lease counts all the same.
func TestFollowerCutOffAfterItAcknowledged(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{Members: 3})
	for name, begin := range map[string]func(a *zookeeper.DCS, l dcs.Lease) (dcs.Lease, error){
		"acquire": func(a *zookeeper.DCS, l dcs.Lease) (dcs.Lease, error) { return l, nil },
		"renew": func(a *zookeeper.DCS, l dcs.Lease) (dcs.Lease, error) {
			storetest.SleepUntil(l.Since.Add(l.For * 2 / 3))
			return a.UpdateLeader(storetest.Patient(t), l)
		},
		"renew twice at once": func(a *zookeeper.DCS, l dcs.Lease) (dcs.Lease, error) {
			storetest.SleepUntil(l.Since.Add(l.For * 2 / 3))
			l, err := a.UpdateLeader(storetest.Patient(t), l)
			if err != nil {
				return l, err
			}
			return a.UpdateLeader(storetest.Patient(t), l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any})
		},
		"longer TTL": func(a *zookeeper.DCS, l dcs.Lease) (dcs.Lease, error) {
			a.SetTTL(4 * time.Second)
			return a.UpdateLeader(storetest.Patient(t), l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			follower := member(t, server, "follower")
			path := dcs.Path{Scope: "cut-" + name}
			a := closing(t, server, zookeeper.Options{Servers: []string{follower.Addr}, Path: path, Name: "a", TTL: 3 * time.Second})
			o := closing(t, server, zookeeper.Options{Servers: others(server, follower), Path: path})
			if _, err := o.Read(storetest.Patient(t)); err != nil {
				t.Fatal(err)
			}
			l, err := a.AttemptToAcquireLeader(storetest.Patient(t))
			if err == nil {
				l, err = begin(a, l)
			}
			follower.Freeze()
			defer server.WaitHealthy(t)
			defer follower.Thaw()
			if err != nil {
				t.Fatal(err)
			}
			stays(t, o, l)
		})
	}
}

// The servers' leader is killed right after a renewal: the next one counts all
// sessions anew, with the timeouts that were written down.
func TestLeaderOfServersKilled(t *testing.T) {
	t.Parallel()
	for _, longer := range []bool{false, true} {
		t.Run(fmt.Sprintf("after a longer TTL: %v", longer), func(t *testing.T) {
			server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{Members: 3})
			ctx := storetest.Patient(t)
			a := closing(t, server, zookeeper.Options{Name: "a", TTL: 3 * time.Second})
			o := closing(t, server, zookeeper.Options{})
			l, err := a.AttemptToAcquireLeader(ctx)
			if err == nil && longer {
				a.SetTTL(8 * time.Second)
				l, err = a.UpdateLeader(ctx, l)
			}
			if err != nil {
				t.Fatal(err)
			}
			killed := member(t, server, "leader")
			killed.Kill()
			stays(t, o, l)

			l, err = a.AttemptToAcquireLeader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			member(t, server, "leader").Freeze() // no majority is left
			if _, err := a.UpdateLeader(storetest.Within(t, time.Second), l); err == nil || errors.Is(err, dcs.ErrLost) {
				t.Errorf("without a majority: got %v", err)
			}
		})
	}
}

// A renewal goes on over other servers while one after the other fails.
func TestServersFailOneByOne(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{Members: 3})
	ctx := storetest.Patient(t)
	a := closing(t, server, zookeeper.Options{Name: "a", TTL: 20 * time.Second, AttemptTimeout: time.Second})
	l := storetest.Life(t, a)
	for _, m := range server.Members {
		m.Freeze()
		next, err := a.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte(m.Addr), Prev: dcs.Any})
		if err != nil || next.ID != l.ID {
			t.Fatalf("with a frozen server: %+v, %v", next, err)
		}
		if err := a.Touch(ctx, dcs.Member{State: "running"}); err != nil {
			t.Fatal(err)
		}
		if s, err := a.Read(ctx); err != nil || s.Leader == nil || string(s.Documents[dcs.StatusKey].Value) != m.Addr {
			t.Fatalf("read %+v, %v", s, err)
		}
		m.Thaw()
		server.WaitHealthy(t)
		l = next
	}
}
