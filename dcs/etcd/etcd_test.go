package etcd_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// closing is open for a handle that ends with the test.
func closing(t *testing.T, server *testenv.EtcdCluster, o etcd.Options) *etcd.DCS {
	t.Helper()
	if o.Path.Scope == "" {
		o.Path.Scope = "demo"
	}
	d := open(t, server, o)
	t.Cleanup(func() { d.Close() })
	return d
}

func TestServerRaisesTTL(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Election: time.Second})
	d := closing(t, server, etcd.Options{Name: "a", TTL: 500 * time.Millisecond})
	if l := storetest.Life(t, d); l.For != 2*time.Second {
		t.Errorf("For is %v, want 2s: one and a half election timeouts, in whole seconds", l.For)
	}
	d.SetTTL(time.Second)
	l, err := d.UpdateLeader(storetest.Patient(t), held(t, d))
	if err != nil || l.For != 2*time.Second {
		t.Errorf("after SetTTL: %+v, %v", l, err)
	}
}

// held is the lease that the leader key names.
func held(t *testing.T, d *etcd.DCS) dcs.Lease {
	t.Helper()
	s, err := d.Read(storetest.Patient(t))
	if err != nil || s.Leader == nil {
		t.Fatalf("read %+v, %v", s, err)
	}
	return dcs.Lease{ID: s.Leader.Grant}
}

// A member has a lease for its entry, one for the leader key, and at most one
// that waits for the next attempt. After a change of the TTL its entry's former one
// ends by itself.
func TestLeasesDoNotPileUp(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	raw := server.Client(t)
	a := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, etcd.Options{Name: "b", TTL: time.Minute})
	storetest.CheckCounts(t, a, b, time.Minute, func(ctx context.Context) (int, error) {
		answer, err := raw.Leases(ctx)
		if err != nil {
			return 0, err
		}
		return len(answer.Leases), nil
	}, storetest.Counts{Renewed: 2, Refused: 3, Moved: 4, Released: 3, Acquired: 3})
}

func TestOptions(t *testing.T) {
	good := etcd.Options{Endpoints: []string{"127.0.0.1:1"}, Path: dcs.Path{Scope: "demo"}}
	for field, change := range map[string]func(*etcd.Options){
		"Endpoints":  func(o *etcd.Options) { o.Endpoints = nil },
		"scheme":     func(o *etcd.Options) { o.Endpoints = []string{"ftp://127.0.0.1:1"} },
		"empty":      func(o *etcd.Options) { o.Endpoints = []string{""} },
		"Path.Scope": func(o *etcd.Options) { o.Path.Scope = "/" },
		"Password":   func(o *etcd.Options) { o.Username = "u" },
		"TTL":        func(o *etcd.Options) { o.TTL = -1 },
	} {
		o := good
		change(&o)
		if _, err := etcd.Open(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	d, err := etcd.Open(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
