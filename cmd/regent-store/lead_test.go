package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// spread is a site whose members each have an address of their own, as machines
// have: 127.0.0.2, ….
func spread(t *testing.T, names ...string) *site {
	s := newSite(t, names...)
	for i, name := range names {
		host := fmt.Sprintf("127.0.0.%d", 2+i)
		for _, of := range []map[string]string{s.client, s.peer} {
			_, port, err := net.SplitHostPort(of[name])
			if err != nil {
				t.Fatal(err)
			}
			of[name] = net.JoinHostPort(host, port)
		}
	}
	return s
}

// primaryOn publishes a cluster whose leader is on the member's machine.
func (s *site) primaryOn(c *clientv3.Client, cluster, member string, o ...clientv3.OpOption) {
	s.t.Helper()
	host, _, _ := net.SplitHostPort(s.client[member])
	for key, value := range map[string]string{
		"/members/x": fmt.Sprintf(`{"conn_url":"postgres://%s:5432/postgres","role":"primary","state":"running"}`, host),
		"/leader":    "x",
	} {
		eventually(s.t, "the store to take "+key, func() error { // one of its members may have been killed just now
			ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
			defer cancel()
			_, err := c.Put(ctx, "/service/"+cluster+key, value, o...)
			return err
		})
	}
}

// leader is the member that leads the store.
func (s *site) leader(c *clientv3.Client) (string, error) {
	for name, addr := range s.client {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		status, err := c.Status(ctx, addr)
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return name, nil
		}
	}
	return "", fmt.Errorf("nobody leads")
}

// lead makes a member the store's leader.
func (s *site) lead(c *clientv3.Client, name string) {
	s.t.Helper()
	eventually(s.t, name+" to lead the store", func() error {
		now, err := s.leader(c)
		if err != nil || now == name {
			return err
		}
		status, err := c.Status(limited(s.t), s.client[name])
		if err != nil {
			return err
		}
		_, err = client(s.t, s.client[now]).MoveLeader(limited(s.t), status.Header.MemberId)
		return err
	})
}

func (m *member) says(words string) {
	m.t.Helper()
	eventually(m.t, "it to say "+words, func() error {
		if out := m.printed(); !strings.Contains(out, words) {
			return fmt.Errorf("it printed %q", out)
		}
		return nil
	})
}

func TestLeadershipLeavesPrimaries(t *testing.T) {
	names := []string{"a", "b", "c"}
	s := spread(t, names...)
	var peers []string
	for _, name := range names {
		peers = append(peers, name+"=http://"+s.peer[name])
	}
	for _, name := range names {
		tell(t, 0, "init", "--name", name, "--data-dir", s.dir[name], "--listen-peer", "http://"+s.peer[name], "--initial-cluster", strings.Join(peers, ","))
		s.run(name)
	}
	for _, name := range names {
		s.members[name].says("serves on")
	}
	c := client(t, s.client["a"], s.client["b"], s.client["c"])

	// A primary that hasn't been heard from: the rest of its lease isn't made longer.
	grant, err := c.Grant(limited(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	s.primaryOn(c, "lost", "b", clientv3.WithLease(grant.ID))
	s.lead(c, "b")
	eventually(t, "its lease to end", func() error {
		got, err := c.Get(limited(t), "/service/lost/leader")
		if err == nil && len(got.Kvs) > 0 {
			err = fmt.Errorf("it holds the key")
		}
		return err
	})
	if now, err := s.leader(c); err != nil || now != "b" {
		t.Errorf("%s leads (%v): leadership moved while a lease was about to end", now, err)
	}

	s.primaryOn(c, "one", "b")
	s.primaryOn(c, "two", "c")
	s.members["b"].says("a leads the store now: the primary of /service/one is on this machine")
	if now, err := s.leader(c); err != nil || now != "a" {
		t.Errorf("%s leads (%v), a machine without a primary is a's", now, err)
	}
	s.primaryOn(c, "one", "a")
	s.members["a"].says("b leads the store now: the primary of /service/one is on this machine")

	// Without c nothing would be left if the machine of the leader were lost.
	s.kill("c")
	s.primaryOn(c, "one", "b")
	s.members["b"].says("they would be no majority")
	if now, err := s.leader(c); err != nil || now != "b" {
		t.Errorf("%s leads (%v): leadership moved to no use", now, err)
	}
	s.run("c")
	s.primaryOn(c, "two", "a")
	s.members["b"].says("c leads the store now")
}

// With etcd's authentication on, the store still makes a voter of a learner, and
// commands need the user.
func TestAuthentication(t *testing.T) {
	s := newSite(t, "a", "b")
	tell(t, 0, "init", "--name", "a", "--data-dir", s.dir["a"], "--listen-peer", "http://"+s.peer["a"])
	s.run("a").ready()
	c := client(t, s.client["a"])
	const password = "a secret"
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.UserAdd(limited(t), "root", password))
	must(c.UserGrantRole(limited(t), "root", "root"))
	must(c.AuthEnable(limited(t)))
	file := filepath.Join(t.TempDir(), "password")
	must(nil, os.WriteFile(file, []byte(password+"\n"), 0o600))

	if out := tell(t, 1, "member", "add", "b", s.peer["b"], "--endpoints", s.endpoint("a")); !strings.Contains(out, "user name is empty") {
		t.Error(out)
	}
	as := []string{"--endpoints", s.endpoint("a"), "--user", "root", "--password-file", file}
	tell(t, 0, append([]string{"member", "add", "b", s.peer["b"]}, as...)...)
	tell(t, 0, "init", "--join", "--name", "b", "--data-dir", s.dir["b"], "--listen-peer", "http://"+s.peer["b"],
		"--initial-cluster", "a=http://"+s.peer["a"]+",b=http://"+s.peer["b"])
	s.run("b")
	s.members["a"].says("b has caught up and votes now")
	if out := tell(t, 0, append([]string{"member", "list"}, as...)...); strings.Contains(out, "learner") || strings.Count(out, "\n") != 3 {
		t.Error(out)
	}
	tell(t, 0, append([]string{"snapshot", "save", filepath.Join(t.TempDir(), "s")}, as...)...)
}
