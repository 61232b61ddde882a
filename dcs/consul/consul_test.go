package consul_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

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

func TestServerRaisesTTL(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{SessionTTLMin: 10 * time.Second})
	d := closing(t, server, consul.Options{Name: "a", TTL: 6 * time.Second})
	l := storetest.Life(t, d)
	if l.For != 10*time.Second {
		t.Errorf("For is %v, want 10s: the least that the servers take", l.For)
	}
	next, err := d.UpdateLeader(storetest.Patient(t), l)
	if err != nil || next.ID != l.ID || next.For != l.For {
		t.Errorf("renewed %+v to %+v, %v", l, next, err)
	}
}

// No promise reaches further than the longest lock delay.
func TestLongTTL(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	d := closing(t, server, consul.Options{Name: "a", TTL: 10 * time.Minute})
	l := storetest.Life(t, d)
	if l.For != time.Minute {
		t.Errorf("For is %v, want 1m", l.For)
	}
	session, _, err := server.Client(t, server.Servers[0]).Session().Info(l.ID, nil)
	if err != nil || session.TTL != "5m0s" || session.LockDelay != time.Minute || session.Behavior != api.SessionBehaviorDelete ||
		len(session.NodeChecks)+len(session.ServiceChecks) > 0 {
		t.Errorf("the session is %+v, %v", session, err)
	}
}

// A member has a session for its entry and one for the leader key. After a change
// of the TTL its entry's former one ends by itself.
func TestSessionsDoNotPileUp(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	raw := server.Client(t, server.Servers[0])
	a := closing(t, server, consul.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, consul.Options{Name: "b", TTL: time.Minute})
	storetest.CheckCounts(t, a, b, time.Minute, func(ctx context.Context) (int, error) {
		sessions, _, err := raw.Session().List((&api.QueryOptions{}).WithContext(ctx))
		return len(sessions), err
	}, storetest.Counts{Renewed: 2, Refused: 2, Moved: 3, Released: 2, Acquired: 3})
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
	s, err := d.Read(storetest.Patient(t))
	if err != nil || s.Leader != nil || len(s.Documents) != 2 || string(s.Documents["legacy"].Value) != "x" {
		t.Errorf("read %+v, holder %+v, %v", s, s.Leader, err)
	}
	kv, _, err := raw.Get("service/demo/leader", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.AttemptToAcquireLeader(storetest.Patient(t))
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
