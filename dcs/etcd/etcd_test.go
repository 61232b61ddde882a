package etcd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/testenv"
)

const patience = 30 * time.Second

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

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// life is what a member does all day; it ends with the key held.
func life(t *testing.T, d *etcd.DCS) dcs.Lease {
	t.Helper()
	ctx := patient(t)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("touch", d.Touch(ctx, dcs.Member{State: "running"}))
	l, err := d.AttemptToAcquireLeader(ctx)
	must("acquire", err)
	l, err = d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any})
	must("renew", err)
	must("touch again", d.Touch(ctx, dcs.Member{State: "running"}))
	s, err := d.Read(ctx)
	must("read", err)
	if s.Leader == nil || s.Leader.Grant != l.ID || len(s.Documents) != 2 {
		t.Fatalf("read %+v, holder %+v", s, s.Leader)
	}
	return l
}

func TestServerRaisesTTL(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Election: time.Second})
	d := closing(t, server, etcd.Options{Name: "a", TTL: 500 * time.Millisecond})
	if l := life(t, d); l.For != 2*time.Second {
		t.Errorf("For is %v, want 2s: one and a half election timeouts, in whole seconds", l.For)
	}
	d.SetTTL(time.Second)
	l, err := d.UpdateLeader(patient(t), held(t, d))
	if err != nil || l.For != 2*time.Second {
		t.Errorf("after SetTTL: %+v, %v", l, err)
	}
}

// held is the lease that the leader key names.
func held(t *testing.T, d *etcd.DCS) dcs.Lease {
	t.Helper()
	s, err := d.Read(patient(t))
	if err != nil || s.Leader == nil {
		t.Fatalf("read %+v, %v", s, err)
	}
	return dcs.Lease{ID: s.Leader.Grant}
}

func TestOpenNeedsNoServer(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Password: "secret"})
	server.Members[0].Kill()
	d := closing(t, server, etcd.Options{Name: "a"})
	if _, err := d.Read(within(t, 300*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: got %v, want the end of the context", err)
	}
	server.Members[0].Start()
	life(t, d)
}

func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	d := closing(t, server, etcd.Options{Name: "a"})
	l := life(t, d)
	server.Members[0].Freeze()
	ctx, done := patient(t), make(chan error)
	go func() {
		_, err := d.UpdateLeader(ctx, l)
		done <- err
	}()
	time.AfterFunc(100*time.Millisecond, func() { d.Close() })
	if err := <-done; err == nil || ctx.Err() != nil {
		t.Errorf("got %v, context %v", err, ctx.Err())
	}
}

// A member has a lease for its entry, one for the leader key, and at most one
// that waits for the next attempt.
func TestLeasesDoNotPileUp(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	raw, ctx := server.Client(t), patient(t)
	want := func(when string, n int) {
		t.Helper()
		answer, err := raw.Leases(ctx)
		if err != nil || len(answer.Leases) != n {
			t.Errorf("%s: %d leases, want %d (%v)", when, len(answer.Leases), n, err)
		}
	}
	a := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, etcd.Options{Name: "b", TTL: time.Minute})
	l := life(t, a)
	for range 5 {
		if l, _ = a.UpdateLeader(ctx, l); l.ID == "" {
			t.Fatal("not renewed")
		}
		a.Touch(ctx, dcs.Member{State: "running"})
	}
	want("after renewals", 2)
	for range 5 {
		if _, err := b.AttemptToAcquireLeader(ctx); !errors.Is(err, dcs.ErrHeld) {
			t.Fatal(err)
		}
	}
	want("after refused attempts", 3)
	a.SetTTL(2 * time.Minute)
	moved, err := a.UpdateLeader(ctx, l)
	if err != nil || moved.For != 2*time.Minute {
		t.Fatalf("moved to %+v, %v", moved, err)
	}
	want("after the key was moved", 3)
	if err := a.ReleaseLeader(ctx, moved); err != nil {
		t.Fatal(err)
	}
	want("after the release", 2)
	if _, err := b.AttemptToAcquireLeader(ctx); err != nil {
		t.Fatal(err)
	}
	want("after the other's acquire", 2)
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
