package consul_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/testenv"
)

const patience = 30 * time.Second

// closing is open for a handle that ends with the test.
func closing(t *testing.T, server *testenv.ConsulCluster, o consul.Options) *consul.DCS {
	t.Helper()
	if o.Path.Scope == "" {
		o.Path.Scope = "demo"
	}
	d := open(t, server, o)
	t.Cleanup(func() { d.Close() })
	return d
}

func patient(t *testing.T) context.Context { return within(t, 2*patience) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func sleepUntil(at clock.Instant) {
	timer := clock.System().NewTimer(at)
	defer timer.Stop()
	<-timer.C()
}

// life is what a member does all day; it ends with the key held.
func life(t *testing.T, d *consul.DCS) dcs.Lease {
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
	server := testenv.Consul(t, testenv.ConsulOptions{SessionTTLMin: 10 * time.Second})
	d := closing(t, server, consul.Options{Name: "a", TTL: 6 * time.Second})
	l := life(t, d)
	if l.For != 10*time.Second {
		t.Errorf("For is %v, want 10s: the least that the servers take", l.For)
	}
	next, err := d.UpdateLeader(patient(t), l)
	if err != nil || next.ID != l.ID || next.For != l.For {
		t.Errorf("renewed %+v to %+v, %v", l, next, err)
	}
}

// No promise reaches further than the longest lock delay.
func TestLongTTL(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	d := closing(t, server, consul.Options{Name: "a", TTL: 10 * time.Minute})
	l := life(t, d)
	if l.For != time.Minute {
		t.Errorf("For is %v, want 1m", l.For)
	}
	session, _, err := server.Client(t, server.Servers[0]).Session().Info(l.ID, nil)
	if err != nil || session.TTL != "5m0s" || session.LockDelay != time.Minute || session.Behavior != api.SessionBehaviorDelete ||
		len(session.NodeChecks)+len(session.ServiceChecks) > 0 {
		t.Errorf("the session is %+v, %v", session, err)
	}
}

func TestOpenNeedsNoServer(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	server.Servers[0].Kill()
	d := closing(t, server, consul.Options{Name: "a"})
	_, err := d.Read(within(t, 300*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("without a server: got %v, want the end of the context, and why", err)
	}
	server.Servers[0].Start()
	life(t, d)
}

func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	d := closing(t, server, consul.Options{Name: "a"})
	l := life(t, d)
	server.Servers[0].Freeze()
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

// A member has a session for its entry and one for the leader key.
func TestSessionsDoNotPileUp(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	raw, ctx := server.Client(t, server.Servers[0]), patient(t)
	want := func(when string, n int) {
		t.Helper()
		sessions, _, err := raw.Session().List(nil)
		if err != nil || len(sessions) != n {
			t.Errorf("%s: %d sessions, want %d (%v)", when, len(sessions), n, err)
		}
	}
	a := closing(t, server, consul.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, consul.Options{Name: "b", TTL: time.Minute})
	l := life(t, a)
	for range 20 {
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
	want("after refused attempts", 2)
	a.SetTTL(90 * time.Second)
	moved, err := a.UpdateLeader(ctx, l)
	if err != nil || moved.For != 45*time.Second {
		t.Fatalf("moved to %+v, %v", moved, err)
	}
	want("after the key was moved", 2)
	if err := a.ReleaseLeader(ctx, moved); err != nil {
		t.Fatal(err)
	}
	want("after the release", 1)
	if _, err := b.AttemptToAcquireLeader(ctx); err != nil {
		t.Fatal(err)
	}
	want("after the other's acquire", 2)
}

// What others leave in the tree: a leader key without a session, as a restored
// backup has it, and folders of Consul's web page.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	raw := server.Client(t, server.Servers[0]).KV()
	for key, value := range map[string]string{"": "", "members/": "", "leader": "ghost", "legacy": "x", "members/b": "no JSON"} {
		if _, err := raw.Put(&api.KVPair{Key: "service/demo/" + key, Value: []byte(value)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	d := closing(t, server, consul.Options{Name: "a", TTL: time.Minute})
	s, err := d.Read(patient(t))
	if err != nil || s.Leader != nil || len(s.Documents) != 2 || string(s.Documents["legacy"].Value) != "x" {
		t.Errorf("read %+v, holder %+v, %v", s, s.Leader, err)
	}
	kv, _, err := raw.Get("service/demo/leader", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.AttemptToAcquireLeader(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := raw.Get("service/demo/leader", nil)
	if err != nil || now.CreateIndex == kv.CreateIndex || now.Session != l.ID || string(now.Value) != "a" {
		t.Errorf("the key was %+v and is %+v, %v", kv, now, err)
	}
}

func TestOptions(t *testing.T) {
	good := consul.Options{Address: "127.0.0.1:1", Path: dcs.Path{Scope: "demo"}}
	for field, change := range map[string]func(*consul.Options){
		"scheme":     func(o *consul.Options) { o.Address = "ftp://127.0.0.1:1" },
		"user name":  func(o *consul.Options) { o.Address = "http://u:p@127.0.0.1:1" },
		"Address":    func(o *consul.Options) { o.Address = " " },
		"Path.Scope": func(o *consul.Options) { o.Path.Scope = "/" },
		"TTL":        func(o *consul.Options) { o.TTL = -1 },
		"Watching":   func(o *consul.Options) { o.Watching = "sometimes" },
		"LockDelay":  func(o *consul.Options) { o.LockDelay = 2 * time.Minute },
	} {
		o := good
		change(&o)
		if _, err := consul.Open(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	d, err := consul.Open(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
