package consul_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestServiceIsRegistered(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	agent := server.Client(t, server.Servers[0]).Agent()
	d := closing(t, server, consul.Options{Name: "node-0", Path: dcs.Path{Scope: "My_Shop.é"}, TTL: 30 * time.Second,
		Service: &consul.Service{Tags: []string{"z", "a"}, CheckInterval: time.Second}})
	asked := make(chan string, 100)
	rest := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer rest.Close()
	member := dcs.Member{State: "running", Role: "primary", ConnURL: "postgres://[::1]:5432/postgres", APIURL: rest.URL + "/patroni"}
	touch := func(state, role string) *api.AgentService {
		t.Helper()
		member.State, member.Role = state, role
		if err := d.Touch(storetest.Patient(t), member); err != nil {
			t.Fatal(err)
		}
		services, err := agent.Services()
		if err != nil {
			t.Fatal(err)
		}
		return services["My_Shop.é/node-0"]
	}
	if s := touch("starting", "replica"); s != nil {
		t.Errorf("registered before it runs: %+v", s)
	}
	for _, want := range []struct{ role, tags string }{
		{"primary", "a z primary master"}, {"replica", "a z replica"}, {"standby_leader", "a z standby-leader"},
	} {
		s := touch("running", want.role)
		if s == nil {
			t.Fatalf("%s isn't registered", want.role)
		}
		got := []any{s.Service, s.Address, s.Port, strings.Join(s.Tags, " "), s.EnableTagOverride}
		if diff := cmp.Diff([]any{"my-shop-u0233", "::1", 5432, want.tags, true}, got); diff != "" {
			t.Error(diff)
		}
		testenv.Eventually(t, storetest.Patience, "a check of the role", func() error {
			if got := <-asked; got != "/"+want.role {
				return fmt.Errorf("it asks for %s", got)
			}
			return nil
		})
	}
	if s := touch("stopping", "standby_leader"); s == nil {
		t.Error("gone while it is stopping")
	}
	if s := touch("stopped", "demoted"); s != nil {
		t.Errorf("still registered: %+v", s)
	}
	if s := touch("running", "replica"); s == nil {
		t.Error("not registered again")
	}
}

// A registration that is refused fails nothing else, and is tried again.
func TestServiceIsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{ACL: true})
	token := server.NewToken(t, "member", enough)
	d := closing(t, server, consul.Options{Name: "a", TTL: time.Minute, Token: token, Service: &consul.Service{}})
	member := dcs.Member{State: "running", Role: "replica", ConnURL: "postgres://127.0.0.1:5432/postgres", APIURL: "http://127.0.0.1:8008/patroni"}
	services := server.Client(t, server.Servers[0]).Agent()
	for range 2 {
		if err := d.Touch(storetest.Patient(t), member); err != nil {
			t.Errorf("touch: %v", err)
		}
		if found, err := services.Services(); err != nil || len(found) > 0 {
			t.Errorf("registered %v, %v", found, err)
		}
	}
}
