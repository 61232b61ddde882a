package fence

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSecondAgentWaitsForTheFirstsDeath(t *testing.T) {
	alone(t)
	n := newNode(t)
	a := n.arm(1, "A", time.Minute, time.Minute)
	first, said := n.agent(&a)
	if said != "ok" {
		t.Fatal(said)
	}
	if _, said := n.agent(nil); !strings.Contains(said, "pid "+strconv.Itoa(first.Process.Pid)) {
		t.Errorf("the second agent said %q", said)
	}
	// One that doesn't ask for the lock is refused by the guard.
	if _, err := Connect(soon(t), n.Options); reasonOf(err) != RefusedBusy {
		t.Errorf("connect beside another agent: %v", err)
	}
	guard := n.guardPID()
	syscall.Kill(first.Process.Pid, syscall.SIGSTOP)
	if _, err := Connect(soon(t), n.Options); reasonOf(err) != RefusedBusy {
		t.Errorf("connect beside a frozen agent: %v", err)
	}
	first.Process.Kill()
	first.Wait()
	g := n.connect()
	s, err := g.State(soon(t))
	if err != nil || s.Guard != guard || s.Agent != os.Getpid() || s.Arm != a {
		t.Errorf("state is %+v, %v; the guard was %d", s, err, guard)
	}
	g.Close()
	if _, said := n.agent(nil); said != "ok" {
		t.Errorf("after the leave the next agent said %q", said)
	}
}

func TestServerOutlivesTheAgentUntilItsDeadline(t *testing.T) {
	alone(t)
	n := newNode(t)
	first, said := n.agent(nil)
	if said != "ok" {
		t.Fatal(said)
	}
	first.Process.Kill()
	first.Wait()
	g := n.connect()
	n.lives(g)
	w := n.writers(1)
	a := n.shorten(g, 2, 2*time.Second, 2*time.Second)
	g.Close()
	until(a.Kill)
	n.gone()
	if early := a.Kill.Sub(w.lastReply()); early > late {
		t.Errorf("the last write was %v before the deadline: the agent's leave stopped the server", early)
	}
}

func TestAgentThatArmedIsKilled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.OnFenced = OnFencedKill
	a := n.arm(1, "A", time.Minute, time.Minute)
	start := n.now()
	agent, said := n.agent(&a, 700*time.Millisecond)
	if said != "ok" {
		t.Fatal(said)
	}
	agent.Wait()
	if s := agent.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL || n.now().Before(start.Add(700*time.Millisecond)) {
		t.Errorf("the agent ended with %v, %v after its start", s, n.now().Sub(start))
	}
}

func TestOneDirectoryUnderTwoNames(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	lock, err := LockDataDir(n.Options)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	link := filepath.Join(filepath.Dir(n.DataDir), "link")
	if err := os.Symlink(n.DataDir, link); err != nil {
		t.Fatal(err)
	}
	other := n.Options
	other.DataDir = link
	if _, err := LockDataDir(other); err == nil {
		t.Error("locked twice")
	}
	// And guards don't even need to agree on the run directory.
	n.connect()
	other.RunDir = n.RunDir + "2"
	short, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := Connect(short, other); err == nil || !strings.Contains(err.Error(), "another guard holds") {
		t.Errorf("a second guard with another run directory: %v", err)
	}
}

func TestIdleGuardEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	pid := n.guardPID()
	syscall.Kill(pid, syscall.SIGTERM)
	<-g.Lost()
	eventually(t, "it ended", func() bool { _, err := readProcess(pid); return err != nil })
	if _, err := ReadState(soon(t), n.Options); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("asking the guard that ended: %v", err)
	}
}

func TestGuardThatIsToldToEndStopsTheServer(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lead(g, n.arm(1, "A", time.Minute, time.Minute))
	pid := n.guardPID()
	syscall.Kill(pid, syscall.SIGTERM)
	<-g.Lost()
	if n.left() > 0 {
		t.Error("the guard ended before the server")
	}
	if n.has("postmaster.pid") {
		t.Error("the server didn't shut down in order")
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	dir, err := os.MkdirTemp("", "o") // short, where t.TempDir isn't
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ok := Options{DataDir: dir, RunDir: dir}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"DataDir":       func(o *Options) { o.DataDir = "" },
		"absolute":      func(o *Options) { o.DataDir = "data" },
		"OnFenced":      func(o *Options) { o.OnFenced = "shrug" },
		"RetryTimeout":  func(o *Options) { o.RetryTimeout = -1 },
		"run directory": func(o *Options) { o.RunDir = "/" + strings.Repeat("x", 90) },
	} {
		o := ok
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	open := ok
	open.RunDir = filepath.Join(dir, "run")
	os.Mkdir(open.RunDir, 0o777)
	os.Chmod(open.RunDir, 0o777)
	if _, err := LockDataDir(open); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Errorf("a run directory that is open to all: %v", err)
	}
}
