package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// mixed is a cluster of two members, on ZooKeeper, whose client Debian's Patroni comes
// with: the one called patroni is Patroni's, and leader leads.
func mixed(t *testing.T, patroni, leader string) (s *scene, leads, follows *lab.Node) {
	t.Helper()
	program, err := exec.LookPath("patroni")
	if err != nil {
		t.Fatal("no Patroni found: apt-get install --no-install-recommends patroni python3-kazoo")
	}
	agent := filepath.Join(t.TempDir(), "agent")
	text := fmt.Sprintf("#!/bin/sh\ncase $1 in\n*/%s/regent.yml) exec %s \"$1\" ;;\n*) exec %s run \"$1\" ;;\nesac\n", patroni, program, os.Getenv(daemonVar))
	if err := os.WriteFile(agent, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s = newLab(t, lab.Options{
		Store: findStore(t, "zookeeper"), Agent: []string{agent}, Nodes: 2,
		TTL: 20 * time.Second, LoopWait: time.Second, RetryTimeout: 3 * time.Second,
		Dynamic: map[string]any{"failsafe_mode": true},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.must(s.Store.Start(ctx))
	leads = s.Node(leader)
	s.must(leads.StartAgent())
	if now := s.leader(); now != leads {
		t.Fatalf("%s leads", now.Name)
	}
	follows = s.others(leads)[0]
	s.must(follows.StartAgent())
	s.healthy()
	s.until("the failsafe map to have both members", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err == nil && len(c.Failsafe.Members) < 2 {
			err = fmt.Errorf("it is %v", c.Failsafe.Members)
		}
		return err
	})
	return s, leads, follows
}

// goesOn takes the store away for longer than a ttl and looks whether the leader takes
// writes all the while.
func (s *scene) leadsOn(leads *lab.Node) {
	s.t.Helper()
	s.write()
	s.Store.Kill()
	s.awaitLog(leads, "continue to run as a leader because failsafe mode is enabled and all members are accessible")
	s.pass(s.TTL() + 10*time.Second)
	if ok, err := leads.Writable(s.ctx); err != nil || !ok {
		s.t.Errorf("%s takes writes: %v, %v", leads.Name, ok, err)
	}
	if gap := s.gap(); gap > 2*time.Second {
		s.t.Errorf("no write was acknowledged for %v", gap)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	s.must(s.Store.Start(ctx))
	if now := s.healthy(); now != leads {
		s.t.Errorf("%s leads, not %s as before", now.Name, leads.Name)
	}
	s.judge(false)
}

// Our leader loses the store, and Patroni's member accepts.
func TestFailsafeOfPatronisMember(t *testing.T) {
	t.Parallel()
	s, leads, _ := mixed(t, "b", "a")
	s.leadsOn(leads)
}

// Patroni's leader loses the store, and our member pledges.
func TestFailsafeOfPatronisLeader(t *testing.T) {
	t.Parallel()
	s, leads, follows := mixed(t, "a", "a")
	s.leadsOn(leads)
	if text, err := os.ReadFile(leads.Log); err != nil || !strings.Contains(string(text), "Got response from "+follows.Name) {
		t.Errorf("%s didn't ask %s: %v", leads.Name, follows.Name, err)
	}
}
