package consul_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// A session that ends early frees the leader key, and the key is had by nobody
// before the lease of its holder is over.
func TestSessionEndsEarly(t *testing.T) {
	t.Parallel()
	const ttl = 16 * time.Second // a lease of 8 s, a session that would end after 16 s
	for name, test := range map[string]struct {
		options consul.Options
		end     func(t *testing.T, server *testenv.ConsulCluster, l dcs.Lease)
	}{
		"destroyed": {end: func(t *testing.T, server *testenv.ConsulCluster, l dcs.Lease) {
			if _, err := server.Client(t, server.Servers[0]).Session().Destroy(l.ID, nil); err != nil {
				t.Error(err)
			}
		}},
		"its agent leaves": {end: func(t *testing.T, server *testenv.ConsulCluster, _ dcs.Lease) {
			if err := server.Client(t, server.Agent).Agent().Leave(); err != nil {
				t.Error(err)
			}
		}},
		"a check is critical": {options: consul.Options{Checks: []string{"life"}}, end: func(t *testing.T, server *testenv.ConsulCluster, _ dcs.Lease) {
			setCheck(t, server, api.HealthCritical)
		}},
		"its node is deregistered": {end: func(t *testing.T, server *testenv.ConsulCluster, _ dcs.Lease) {
			gone := &api.CatalogDeregistration{Node: server.Agent.Name}
			if _, err := server.Client(t, server.Servers[0]).Catalog().Deregister(gone, nil); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Consul(t, testenv.ConsulOptions{Agent: true})
			setCheck(t, server, api.HealthPassing)
			o := test.options
			o.Address, o.Name, o.TTL = server.Agent.Addr, "a", ttl
			a := closing(t, server, o)
			b := closing(t, server, consul.Options{Name: "b", TTL: ttl})
			hints := b.Watch(storetest.Patient(t))
			l := storetest.Life(t, a)
			test.end(t, server, l)
			now := clock.System().Now
			for waitGone(t, b, hints); ; {
				_, err := b.AttemptToAcquireLeader(storetest.Patient(t))
				if err == nil {
					if now().Before(l.End()) {
						t.Errorf("b has the key %v before the end of a's lease", l.End().Sub(now()))
					}
					break
				}
				if !errors.Is(err, dcs.ErrHeld) {
					t.Fatalf("got %v, want ErrHeld", err)
				}
				if now().After(l.End().Add(3 * l.For)) {
					t.Fatalf("still refused %v after the lease: %v", now().Sub(l.End()), err)
				}
				<-hints // nothing changes when the delay ends
			}
		})
	}
}

func setCheck(t *testing.T, server *testenv.ConsulCluster, status string) {
	t.Helper()
	agent, check := server.Client(t, server.Agent).Agent(), &api.AgentCheckRegistration{ID: "life", Name: "life"}
	check.TTL = "1h"
	if err := errors.Join(agent.CheckRegister(check), agent.UpdateTTL("life", "", status)); err != nil {
		t.Fatal(err)
	}
	raw := server.Client(t, server.Servers[0])
	testenv.Eventually(t, storetest.Patience, "the check in the catalog", func() error {
		checks, _, err := raw.Health().Node(server.Agent.Name, nil)
		for _, c := range checks {
			if c.CheckID == "life" && c.Status == status {
				return nil
			}
		}
		return errors.Join(err, errors.New("not yet"))
	})
}

// waitGone waits for the leader key to go.
func waitGone(t *testing.T, d *consul.DCS, hints <-chan struct{}) {
	t.Helper()
	deadline := time.After(storetest.Patience)
	for {
		s, err := d.Read(storetest.Patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if s.Leader == nil {
			return
		}
		select {
		case <-hints:
		case <-deadline:
			t.Fatalf("%+v still holds the key", s.Leader)
		}
	}
}

// Our own release delays nobody, and neither does a lock delay of a millisecond.
func TestNoDelay(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	a := closing(t, server, consul.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, consul.Options{Name: "b", TTL: time.Minute, LockDelay: time.Millisecond})
	l := storetest.Life(t, a)
	for range 3 {
		if err := a.ReleaseLeader(storetest.Patient(t), l); err != nil {
			t.Fatal(err)
		}
		lb, err := b.AttemptToAcquireLeader(storetest.Patient(t))
		if err != nil {
			t.Fatalf("after a release: %v", err)
		}
		if _, err := server.Client(t, server.Servers[0]).Session().Destroy(lb.ID, nil); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, storetest.Patience, "the key after a millisecond", func() error {
			l, err = a.AttemptToAcquireLeader(storetest.Patient(t))
			return err
		})
	}
	if now := clock.System().Now(); now.After(l.Since.Add(time.Second)) {
		t.Errorf("it took %v", now.Sub(l.Since))
	}
}
