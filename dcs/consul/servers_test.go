package consul_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// Behind the agent, which lives, the servers' leader dies or freezes.
func TestServerLeaderGoes(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*testenv.ConsulAgent){
		"killed": (*testenv.ConsulAgent).Kill,
		"frozen": (*testenv.ConsulAgent).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Consul(t, testenv.ConsulOptions{Servers: 3, Agent: true})
			a := closing(t, server, consul.Options{Address: server.Agent.Addr, Name: "a", TTL: 30 * time.Second})
			l := storetest.Life(t, a)
			lineage := holderOf(t, a).Lineage
			hints := a.Watch(storetest.Patient(t))
			<-hints
			act(server.Leader(t, server.Servers[0]))
			start := clock.System().Now()
			next, err := a.UpdateLeader(storetest.Within(t, 15*time.Second), l, dcs.Write{Key: dcs.StatusKey, Value: []byte("after"), Prev: dcs.Any})
			if err != nil {
				t.Fatalf("renew: %v", err)
			}
			t.Logf("renewed after %v", clock.System().Now().Sub(start))
			if next.ID != l.ID {
				t.Errorf("renewed to %+v", next)
			}
			if err := a.Touch(storetest.Within(t, 15*time.Second), dcs.Member{State: "stopping"}); err != nil {
				t.Errorf("touch: %v", err)
			}
			if h := holderOf(t, a); h == nil || h.Lineage != lineage || h.Grant != l.ID {
				t.Errorf("the holder is %+v", h)
			}
			for deadline := time.After(storetest.Patience); len(hints) > 0; {
				<-hints
				select {
				case <-deadline:
					t.Fatal("hints without end")
				case <-time.After(100 * time.Millisecond):
				}
			}
			if err := a.Touch(storetest.Patient(t), dcs.Member{State: "running"}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-hints:
			case <-time.After(storetest.Patience):
				t.Error("the watch doesn't see changes any more")
			}
		})
	}
}

func holderOf(t *testing.T, d *consul.DCS) *dcs.Holder {
	t.Helper()
	s, err := d.Read(storetest.Patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.Leader
}

// A restart of the agent, without a leave, ends nothing.
func TestAgentRestarts(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{Agent: true})
	a := closing(t, server, consul.Options{Address: server.Agent.Addr, Name: "a", TTL: time.Minute})
	l := storetest.Life(t, a)
	hints := a.Watch(storetest.Patient(t))
	<-hints
	server.Agent.Kill()
	if _, err := a.UpdateLeader(storetest.Within(t, 300*time.Millisecond), l); err == nil || errors.Is(err, dcs.ErrLost) {
		t.Errorf("without an agent: got %v, want an unknown outcome", err)
	}
	server.Agent.Start()
	if next, err := a.UpdateLeader(storetest.Patient(t), l); err != nil || next.ID != l.ID {
		t.Errorf("renewed to %+v, %v", next, err)
	}
	if err := a.Touch(storetest.Patient(t), dcs.Member{State: "running"}); err != nil {
		t.Errorf("touch: %v", err)
	}
	select {
	case <-hints:
	case <-time.After(storetest.Patience):
		t.Error("no hint after the agent came back")
	}
}

// A leader of the servers that was frozen and deposed answers renewals, when it is
// thawed, from its memory.
func TestDeposedLeaderExtendsNothing(t *testing.T) {
	t.Parallel()
	const ttl, members = 16 * time.Second, 10
	server := testenv.Consul(t, testenv.ConsulOptions{Servers: 3})
	deposed := server.Leader(t, server.Servers[0])
	var other *testenv.ConsulAgent
	for _, s := range server.Servers {
		if s != deposed {
			other = s
		}
	}
	handles, leases := make([]*consul.DCS, members), make([]dcs.Lease, members)
	for i := range handles {
		o := consul.Options{Address: deposed.Addr, Name: "a", TTL: ttl, AttemptTimeout: ttl, Path: dcs.Path{Scope: fmt.Sprintf("demo-%d", i)}}
		handles[i] = closing(t, server, o)
		leases[i] = storetest.Life(t, handles[i])
	}
	deposed.Freeze()
	raw := server.Client(t, other)
	testenv.Eventually(t, storetest.Patience, "another leader", func() error {
		_, _, err := raw.KV().Get("service/x", (&api.QueryOptions{RequireConsistent: true}).WithContext(storetest.Within(t, time.Second)))
		return err
	})
	// Late in the leases the renewals are sent, and wait in the socket.
	first := leases[0]
	storetest.SleepUntil(first.Since.Add(first.For * 8 / 10))
	var renewing sync.WaitGroup
	for i, d := range handles {
		renewing.Go(func() {
			l, err := d.UpdateLeader(storetest.Patient(t), leases[i])
			if err != nil {
				t.Errorf("renew: %v; a slow machine?", err)
				return
			}
			leases[i] = l
		})
	}
	storetest.SleepUntil(first.Since.Add(first.For * 9 / 10))
	deposed.Thaw()
	renewing.Wait()
	for i, l := range leases {
		renewing.Go(func() { wantHeldToItsEnd(t, raw, fmt.Sprintf("service/demo-%d/leader", i), l) })
	}
	renewing.Wait()
}

// wantHeldToItsEnd looks at the key until shortly before the end of its lease.
func wantHeldToItsEnd(t *testing.T, raw *api.Client, key string, l dcs.Lease) {
	now := clock.System().Now
	for now().Before(l.End().Add(-l.For / 20)) {
		kv, _, err := raw.KV().Get(key, (&api.QueryOptions{RequireConsistent: true}).WithContext(storetest.Patient(t)))
		if err != nil {
			t.Errorf("%s: %v", key, err)
			return
		}
		if left := l.End().Sub(now()); kv == nil && left > 0 {
			t.Errorf("%s went %v before the end of the lease %+v", key, left, l)
			return
		}
		storetest.SleepUntil(now().Add(200 * time.Millisecond))
	}
}
