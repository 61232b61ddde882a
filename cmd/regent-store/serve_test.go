package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// deadline bounds what must happen at all.
const deadline = 60 * time.Second

// programVariable makes the test binary the program itself.
const programVariable = "REGENT_STORE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// member is one process.
type member struct {
	t      *testing.T
	cmd    *exec.Cmd
	client string // host:port
	done   chan struct{}
	mu     sync.Mutex
	out    bytes.Buffer // both of what it prints
}

func (m *member) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out.Write(p)
}

func (m *member) printed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out.String()
}

func start(t *testing.T, client string, args ...string) *member {
	t.Helper()
	m := &member{t: t, client: client, done: make(chan struct{})}
	m.cmd = exec.Command(os.Args[0], append([]string{"run", "--listen-client", client}, args...)...)
	m.cmd.Env = append(os.Environ(), programVariable+"=1")
	m.cmd.Stdout, m.cmd.Stderr = m, m
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		m.cmd.Wait()
		close(m.done)
	}()
	t.Cleanup(func() {
		m.cmd.Process.Kill()
		<-m.done
	})
	return m
}

// ready waits for the line that says so.
func (m *member) ready() {
	m.t.Helper()
	eventually(m.t, "the member to serve", func() error {
		select {
		case <-m.done:
			m.t.Fatalf("it ended: %s", m.printed())
		default:
		}
		if out := m.printed(); !strings.Contains(out, "serves on http://"+m.client+"\n") {
			return fmt.Errorf("it printed %q", out)
		}
		return nil
	})
}

// stop ends it in order and returns all that it printed.
func (m *member) stop() string {
	m.t.Helper()
	m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.done:
	case <-time.After(deadline):
		m.t.Fatalf("it doesn't end on SIGTERM: %s", m.printed())
	}
	if code := m.cmd.ProcessState.ExitCode(); code != 0 {
		m.t.Errorf("it ended with %d: %s", code, m.printed())
	}
	return m.printed()
}

// fails waits for its end and wants one line that says want.
func (m *member) fails(want string) {
	m.t.Helper()
	select {
	case <-m.done:
	case <-time.After(deadline):
		m.t.Fatalf("it was to end at once: %s", m.printed())
	}
	out := m.printed()
	if m.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
		m.t.Errorf("%v, printed %q, want one line with %q", m.cmd.ProcessState, out, want)
	}
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	end, again := time.After(deadline), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-end:
			t.Fatalf("waited for %s: %v", what, err)
		case <-again.C:
		}
	}
}

func addresses(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func client(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func TestSingleMember(t *testing.T) {
	addr, dir := addresses(t, 4), filepath.Join(t.TempDir(), "made", "here")
	args := []string{"--data-dir", dir, "--listen-peer", addr[1]}
	start(t, addr[0], args...).fails("regent-store init makes a new one")
	first := start(t, addr[0], append(args, "--new")...)
	first.ready()
	c := client(t, addr[0])
	if _, err := c.Put(limited(t), "/service/demo/leader", "a"); err != nil {
		t.Fatal(err)
	}
	start(t, addr[2], "--data-dir", dir, "--listen-peer", addr[3]).fails("is in use")
	start(t, addr[0], "--new", "--data-dir", t.TempDir(), "--listen-peer", addr[3]).fails("address already in use")
	if out := first.stop(); strings.Count(out, "\n") != 1 {
		t.Errorf("not quiet: %s", out)
	}

	start(t, addr[0], append(args, "--name", "other")...).fails("--name store")
	again := start(t, addr[0], args...)
	again.ready()
	got, err := c.Get(limited(t), "/service/demo/leader")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "a" {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	again.stop()

	setStorageVersion(t, filepath.Join(dir, "member", "snap", "db"), "3.9.0")
	start(t, addr[0], args...).fails("is of etcd 3.9")
}

// setStorageVersion makes the data those of another etcd.
func setStorageVersion(t *testing.T, path, version string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: deadline})
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("storageVersion"), []byte(version))
		})
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestThreeMembersOutliveOne(t *testing.T) {
	addr := addresses(t, 6)
	peers := "a=http://" + addr[3] + ",b=http://" + addr[4] + ",c=http://" + addr[5]
	var members []*member
	for i, name := range []string{"a", "b", "c"} {
		members = append(members, start(t, addr[i], "--new", "--data-dir", t.TempDir(), "--name", name, "--listen-peer", "http://"+addr[3+i],
			"--initial-cluster", peers, "--heartbeat", "50ms", "--election-timeout", "500ms"))
	}
	for _, m := range members {
		m.ready()
	}
	if _, err := client(t, addr[0]).Put(limited(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	members[0].cmd.Process.Kill()
	<-members[0].done
	c := client(t, addr[1], addr[2])
	eventually(t, "the other two to go on", func() error {
		ctx, cancel := context.WithTimeout(limited(t), 2*time.Second)
		defer cancel()
		_, err := c.Put(ctx, "k", "w")
		return err
	})
}
