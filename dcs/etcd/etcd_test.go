package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/clock"
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

func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{TLS: true, Password: "secret"})
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	ctx := patient(t)
	l := life(t, d)
	hints := d.Watch(ctx)
	<-hints

	// A restart makes every token invalid, and the server forgets nothing else.
	server.Members[0].Kill()
	server.Members[0].Start()
	server.WaitHealthy(t)
	if _, err := d.UpdateLeader(ctx, l); err != nil {
		t.Errorf("renew with a token that the server forgot: %v", err)
	}
	if err := d.Touch(ctx, dcs.Member{State: "running"}); err != nil {
		t.Errorf("touch: %v", err)
	}
	<-hints

	for what, o := range map[string]etcd.Options{
		"a wrong password": {Username: server.Username, Password: "hunter2"},
		"no permission":    {Path: dcs.Path{Namespace: "elsewhere"}},
	} {
		_, err := closing(t, server, o).Read(within(t, patience))
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want a refusal at once", what, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), server.Password)) {
			t.Errorf("%s: the error tells the password: %v", what, err)
		}
	}
	o := etcd.Options{Endpoints: server.Endpoints(), Path: dcs.Path{Scope: "demo"}}
	plain, err := etcd.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Read(within(t, 500*time.Millisecond)); err == nil {
		t.Error("read from a TLS server without TLS")
	}
}

// A keep-alive is a stream, and etcd's library logs in anew for each: that costs
// the server a bcrypt.
func TestKeepAlivesDoNotLogIn(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Password: "secret"})
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	l := life(t, d)
	login := fastest(func() {
		other := closing(t, server, etcd.Options{})
		if _, err := other.Read(patient(t)); err != nil {
			t.Error(err)
		}
	})
	renewal := fastest(func() {
		if _, err := d.UpdateLeader(patient(t), l); err != nil {
			t.Error(err)
		}
	})
	t.Logf("first read with login: %v, renewal: %v", login, renewal)
	if renewal > login/2 {
		t.Errorf("a renewal takes %v, a login %v: does it log in?", renewal, login)
	}
}

// fastest of a few runs is what the machine's load matters least to.
func fastest(f func()) time.Duration {
	least := time.Hour
	for range 5 {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	return least
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

func TestFrozenEndpointIsLeft(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	d := closing(t, server, etcd.Options{Name: "a", TTL: 5 * time.Second, AttemptTimeout: 200 * time.Millisecond})
	l := life(t, d)
	hints := d.Watch(patient(t))
	<-hints
	for _, m := range server.Members {
		m.Freeze()
		for range 6 { // more than endpoints, so that each is asked
			var err error
			if l, err = d.UpdateLeader(within(t, 4*time.Second), l); err != nil {
				t.Fatalf("renew with one of three servers frozen: %v", err)
			}
		}
		m.Thaw()
		server.WaitHealthy(t)
	}
	<-hints // whichever server it was on
}

// A server's leader that was deposed while it stood still answers a keep-alive
// from its memory before it hears of its successor, who counts the lease from its
// own election on. Several members try: who wins that race is chance.
func TestDeposedLeaderExtendsNothing(t *testing.T) {
	t.Parallel()
	const ttl, members = 4 * time.Second, 6
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	deposed := leaderOf(t, server)
	var handles []*etcd.DCS
	var leases []dcs.Lease
	for i := range members {
		o := etcd.Options{Path: dcs.Path{Scope: fmt.Sprint("demo-", i)}, Name: "a", TTL: ttl, Endpoints: []string{deposed.Addr}}
		d := closing(t, server, o)
		l, err := d.AttemptToAcquireLeader(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		handles, leases = append(handles, d), append(leases, l)
	}
	deposed.Freeze()
	others := server.Client(t, otherAddrs(server, deposed)...)
	testenv.Eventually(t, patience, "another leader", func() error {
		_, err := others.Get(within(t, 200*time.Millisecond), "/")
		return err
	})
	// Late in the leases the renewals are sent, and wait in the socket.
	first := leases[0].Since
	sleepUntil(first.Add(ttl * 7 / 10))
	var renewing sync.WaitGroup
	for i, d := range handles {
		renewing.Go(func() {
			l, err := d.UpdateLeader(patient(t), leases[i])
			if err != nil {
				t.Errorf("renew: %v; a slow machine?", err)
			}
			leases[i] = l
		})
	}
	sleepUntil(first.Add(ttl * 8 / 10))
	deposed.Thaw()
	renewing.Wait()
	for i, l := range leases {
		renewing.Go(func() { wantHeldToItsEnd(t, others, fmt.Sprintf("/service/demo-%d/leader", i), l) })
	}
	renewing.Wait()
}

// wantHeldToItsEnd looks at the key until shortly before the end of its lease.
func wantHeldToItsEnd(t *testing.T, raw *clientv3.Client, key string, l dcs.Lease) {
	now := clock.System().Now
	for now().Before(l.End().Add(-l.For / 20)) {
		answer, err := raw.Get(patient(t), key)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			return
		}
		if left := l.End().Sub(now()); answer.Count == 0 && left > 0 {
			t.Errorf("%s went %v before the end of the lease %+v", key, left, l)
			return
		}
		sleepUntil(now().Add(100 * time.Millisecond))
	}
}

func sleepUntil(at clock.Instant) {
	timer := clock.System().NewTimer(at)
	defer timer.Stop()
	<-timer.C()
}

func leaderOf(t *testing.T, server *testenv.EtcdCluster) *testenv.EtcdMember {
	t.Helper()
	raw := server.Client(t)
	for _, m := range server.Members {
		status, err := raw.Status(patient(t), m.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			return m
		}
	}
	t.Fatal("no member leads")
	return nil
}

func otherAddrs(server *testenv.EtcdCluster, but *testenv.EtcdMember) (addrs []string) {
	for _, m := range server.Members {
		if m != but {
			addrs = append(addrs, m.Addr)
		}
	}
	return addrs
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

func TestPasswordWhereNobodyAsks(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	life(t, closing(t, server, etcd.Options{Name: "a", Username: "u", Password: "p"}))
}
