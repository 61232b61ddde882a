package etcd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{TLS: true, Password: "secret"})
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	ctx := storetest.Patient(t)
	l := storetest.Life(t, d)
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
		_, err := closing(t, server, o).Read(storetest.Within(t, storetest.Patience))
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
	if _, err := plain.Read(storetest.Within(t, 500*time.Millisecond)); err == nil {
		t.Error("read from a TLS server without TLS")
	}
}

// A keep-alive is a stream, and etcd's library logs in anew for each: that costs
// the server a bcrypt.
func TestKeepAlivesDoNotLogIn(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Password: "secret"})
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	l := storetest.Life(t, d)
	login := fastest(func() {
		other := closing(t, server, etcd.Options{})
		if _, err := other.Read(storetest.Patient(t)); err != nil {
			t.Error(err)
		}
	})
	renewal := fastest(func() {
		if _, err := d.UpdateLeader(storetest.Patient(t), l); err != nil {
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

func TestPasswordWhereNobodyAsks(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	storetest.Life(t, closing(t, server, etcd.Options{Name: "a", Username: "u", Password: "p"}))
}
