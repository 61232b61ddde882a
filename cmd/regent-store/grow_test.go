package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// tell runs a command of the program and returns what it printed; code is the
// exit status that it is to end with.
func tell(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), programVariable+"=1")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%v: %v, want exit status %d: %s", args, cmd.ProcessState, code, out)
	}
	if code != 0 && strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: not one line: %s", args, out)
	}
	return string(out)
}

// site is where members of a store live, by name.
type site struct {
	t            *testing.T
	client, peer map[string]string // host:port
	dir          map[string]string
	members      map[string]*member
}

func newSite(t *testing.T, names ...string) *site {
	s := &site{t, map[string]string{}, map[string]string{}, map[string]string{}, map[string]*member{}}
	addr := addresses(t, 2*len(names))
	for i, name := range names {
		s.client[name], s.peer[name], s.dir[name] = addr[2*i], addr[2*i+1], filepath.Join(t.TempDir(), "data")
	}
	return s
}

// run starts a member as its service does: nothing but where it listens and lies.
func (s *site) run(name string) *member {
	s.t.Helper()
	s.members[name] = start(s.t, s.client[name], "--data-dir", s.dir[name], "--listen-peer", "http://"+s.peer[name],
		"--heartbeat", "50ms", "--election-timeout", "500ms")
	return s.members[name]
}

func (s *site) kill(name string) {
	s.members[name].cmd.Process.Kill()
	<-s.members[name].done
}

func (s *site) endpoint(name string) string { return "http://" + s.client[name] }

// add adds a member as the command says it is done, and waits until it votes.
func (s *site) add(name, via string) {
	s.t.Helper()
	said := tell(s.t, 0, "member", "add", name, "http://"+s.peer[name], "--endpoints", s.endpoint(via))
	_, cluster, ok := strings.Cut(said, "--initial-cluster ")
	cluster, _, _ = strings.Cut(cluster, "\n")
	if !ok {
		s.t.Fatalf("member add doesn't say how to go on: %s", said)
	}
	tell(s.t, 0, "init", "--join", "--name", name, "--data-dir", s.dir[name], "--listen-peer", "http://"+s.peer[name], "--initial-cluster", cluster)
	s.run(name).ready()
	c := client(s.t, s.client[via])
	eventually(s.t, name+" to vote", func() error {
		list, err := c.MemberList(limited(s.t))
		if err != nil {
			return err
		}
		for _, m := range list.Members {
			if m.Name == name && !m.IsLearner {
				return nil
			}
		}
		return fmt.Errorf("it doesn't: %v", list.Members)
	})
}

func (s *site) list(via string) string {
	s.t.Helper()
	return tell(s.t, 0, "member", "list", "--endpoints", s.endpoint(via))
}

func (s *site) put(via, key, value string) {
	s.t.Helper()
	if _, err := client(s.t, s.client[via]).Put(limited(s.t), key, value); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) wantValue(via, key, want string) {
	s.t.Helper()
	eventually(s.t, key+" to be "+want, func() error {
		got, err := client(s.t, s.client[via]).Get(limited(s.t), key, clientv3.WithSerializable())
		if err == nil && (len(got.Kvs) != 1 || string(got.Kvs[0].Value) != want) {
			err = fmt.Errorf("it is %v", got.Kvs)
		}
		return err
	})
}

// From one member to three, a lost disk, and back to one: the store serves and
// loses nothing all the time.
func TestGrowReplaceShrink(t *testing.T) {
	s := newSite(t, "a", "b", "c", "d")
	tell(t, 0, "init", "--name", "a", "--data-dir", s.dir["a"], "--listen-peer", "http://"+s.peer["a"])
	if out := tell(t, 1, "init", "--name", "a", "--data-dir", s.dir["a"]); !strings.Contains(out, `is the member "a"'s already`) {
		t.Error(out)
	}
	s.run("a").ready()
	s.put("a", "k", "one")
	if out := tell(t, 1, "member", "remove", "a", "--endpoints", s.endpoint("a")); !strings.Contains(out, "only member") {
		t.Error(out)
	}
	s.add("b", "a")
	s.add("c", "a")
	s.wantValue("c", "k", "one")
	if out := tell(t, 1, "member", "add", "d", "http://"+s.peer["d"], "--endpoints", s.endpoint("a")); !strings.Contains(out, "no more than 3") {
		t.Error(out)
	}

	// The disk of c is lost.
	s.kill("c")
	s.put("a", "k", "two")
	if err := os.RemoveAll(s.dir["c"]); err != nil {
		t.Fatal(err)
	}
	s.run("c").fails("holds no store")
	if out := tell(t, 1, "member", "remove", "b", "--endpoints", s.endpoint("a")); !strings.Contains(out, "no majority: of the others c is not well") {
		t.Error(out)
	}
	if out := s.list("a"); !strings.Contains(out, "no answer at") {
		t.Errorf("the lost member looks well:\n%s", out)
	}
	tell(t, 0, "member", "remove", "c", "--endpoints", s.endpoint("a"))
	s.add("c", "a")
	s.wantValue("c", "k", "two")

	// The data of b are lost, what names its directory is not.
	s.kill("b")
	if err := os.RemoveAll(filepath.Join(s.dir["b"], "member")); err != nil {
		t.Fatal(err)
	}
	s.run("b").fails(`had the data of "b", which are gone`)
	tell(t, 0, "member", "remove", "b", "--endpoints", s.endpoint("a"))

	// Back to one, which is not the leader: the leader is removed.
	c := client(t, s.client["a"], s.client["c"])
	leader, last := "a", "c"
	if status, err := c.Status(limited(t), s.client["c"]); err != nil {
		t.Fatal(err)
	} else if status.Leader == status.Header.MemberId {
		leader, last = "c", "a"
	}
	tell(t, 0, "member", "remove", leader, "--endpoints", s.endpoint(last))
	eventually(t, "the removed member to end", func() error {
		select {
		case <-s.members[leader].done:
			return nil
		default:
			return fmt.Errorf("it runs: %s", s.members[leader].printed())
		}
	})
	if code := s.members[leader].cmd.ProcessState.ExitCode(); code != removedStatus {
		t.Errorf("it ended with %d: %s", code, s.members[leader].printed())
	}
	s.run(leader)
	<-s.members[leader].done
	if code := s.members[leader].cmd.ProcessState.ExitCode(); code != removedStatus {
		t.Errorf("started again it ended with %d: %s", code, s.members[leader].printed())
	}
	s.put(last, "k", "three")
	if out := s.list(last); strings.Count(out, "\n") != 2 || !strings.Contains(out, "leader") {
		t.Errorf("more than one:\n%s", out)
	}
}
