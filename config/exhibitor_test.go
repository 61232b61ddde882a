package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestExhibitorSection(t *testing.T) {
	access := ZooKeeperAccess{Verify: true}
	for text, want := range map[string]Exhibitor{
		"exhibitor: {hosts: [a, 'b.example:80', '[::1]'], port: 8080, poll_interval: 60}": {
			Hosts: []string{"a:8080", "b.example:80", "[::1]:8080"}, PollInterval: time.Minute, ZooKeeperAccess: access},
		"exhibitor: {hosts: 'a,b', use_ssl: on, set_acls: {'digest:u:x=': ALL}}": {
			Hosts: []string{"a:8181", "b:8181"}, PollInterval: 5 * time.Minute, ZooKeeperAccess: ZooKeeperAccess{UseSSL: true, Verify: true,
				ACLs: []zookeeper.ACL{{Scheme: "digest", ID: "u:x=", Perms: zookeeper.All}}}},
		"zookeeper: {exhibitor: {hosts: [a], port: 8181}}": { // the former spelling
			Hosts: []string{"a:8181"}, PollInterval: 5 * time.Minute, ZooKeeperAccess: access},
	} {
		c, warnings, err := loadText(t, "etcd3: null\n"+text)
		if err != nil || len(warnings) > 0 {
			t.Fatal(text, err, warnings)
		}
		if diff := cmp.Diff(want, c.Store.Section); diff != "" || c.Store.Kind != "exhibitor" {
			t.Error(c.Store.Kind, diff)
		}
	}
	for section, want := range map[string]string{
		"{}":                           "exhibitor.hosts: missing: it names the machines that Exhibitor runs on, whom to ask for ZooKeeper's servers",
		"{hosts: []}":                  "exhibitor.hosts: names no machine",
		"{hosts: 'a:b'}":               `exhibitor.hosts: "a:b" is not allowed: a port is a number from 1 to 65535`,
		"{hosts: 'http://a'}":          `exhibitor.hosts: "http://a" is not allowed: a port is a number from 1 to 65535`,
		"{hosts: a, port: 70000}":      "exhibitor.port: 70000 is not allowed: at most 65535 is",
		"{hosts: a, poll_interval: 0}": "exhibitor.poll_interval: 0 is not allowed: at least 1s is",
	} {
		if _, _, err := loadText(t, "etcd3: null\nexhibitor: "+section); err == nil || err.Error() != want {
			t.Errorf("%s:\n%v, want\n%s", section, err, want)
		}
	}
	c, _, err := LoadControl("", []string{"PATRONI_EXHIBITOR_HOSTS='a','b'", "PATRONI_EXHIBITOR_PORT=8080", "PATRONI_SCOPE=shop"}, "")
	if e, _ := c.Store.Section.(Exhibitor); err != nil || strings.Join(e.Hosts, " ") != "a:8080 b:8080" {
		t.Errorf("by variables: %+v, %v", c, err)
	}
}

// A member that is told its servers by Exhibitor and one that has them configured
// are in the same cluster.
func TestOpenExhibitor(t *testing.T) {
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	host, port, _ := net.SplitHostPort(server.Members[0].Addr)
	var answers atomic.Bool
	answers.Store(true)
	exhibitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers.Load() {
			fmt.Fprintf(w, `{"servers":[%q],"port":%s}`, host, port)
		} else {
			http.NotFound(w, r)
		}
	}))
	defer exhibitor.Close()
	_, exhibitorPort, _ := net.SplitHostPort(exhibitor.Listener.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var stores []dcs.DCS
	for i, section := range []string{
		fmt.Sprintf("exhibitor: {hosts: 127.0.0.1, port: %s}", exhibitorPort),
		fmt.Sprintf("zookeeper: {hosts: '%s'}", server.Members[0].Addr),
	} {
		c, _, err := loadText(t, "etcd3: null\n"+section)
		if err != nil {
			t.Fatal(err)
		}
		store, err := OpenDCS(ctx, c, fmt.Sprint("m", i), clock.System(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		stores = append(stores, store)
	}
	l, err := stores[0].AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var refused *dcs.RefusedError
	if _, err := stores[1].AttemptToAcquireLeader(ctx); !errors.As(err, &refused) || refused.Holder == nil || refused.Holder.Grant != l.ID {
		t.Errorf("the other one's attempt: %v", err)
	}
	for _, storeURL := range []string{"exhibitor://127.0.0.1:" + exhibitorPort, "zookeeper://" + server.Members[0].Addr} {
		c, _, err := LoadControl("", []string{"PATRONI_SCOPE=demo"}, storeURL)
		if err != nil {
			t.Fatal(err)
		}
		store, err := OpenDCS(ctx, c, "", clock.System(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if s, err := store.Read(ctx); err != nil || s.Leader == nil || s.Leader.Grant != l.ID {
			t.Errorf("%s: %+v, %v", storeURL, s.Leader, err)
		}
	}

	answers.Store(false)
	c, _, err := loadText(t, fmt.Sprintf("etcd3: null\nexhibitor: {hosts: [127.0.0.1, 127.0.0.9], port: %s}", exhibitorPort))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("config: exhibitor.hosts: no Exhibitor tells the servers: http://127.0.0.1:%[1]s/exhibitor/v1/cluster/list: it answers 404 Not Found;"+
		" http://127.0.0.9:%[1]s/exhibitor/v1/cluster/list: connection refused", exhibitorPort)
	if _, err := OpenDCS(ctx, c, c.Name, clock.System(), nil); err == nil || err.Error() != want {
		t.Errorf("%v, want\n%s", err, want)
	}
	r := &report{}
	c.storeAnswers(ctx, r)
	if len(r.problems) != 1 || r.problems[0].Key != "exhibitor.hosts" {
		t.Errorf("validation says %v", r.problems)
	}
	if got := c.StoreSetting(errors.New("x")); got != fmt.Sprintf("exhibitor.hosts: 127.0.0.1:%[1]s, 127.0.0.9:%[1]s", exhibitorPort) {
		t.Error(got)
	}
}
