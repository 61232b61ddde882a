package fence

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fenced is a node whose guard has fired and is done.
func fenced(t *testing.T) (*node, *Guard) {
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	n.shorten(g, 2, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing && n.has("standby.signal") })
	return n, g
}

func TestPrimaryByHandAfterAFenceIsKilled(t *testing.T) {
	t.Parallel()
	n, _ := fenced(t)
	os.Remove(filepath.Join(n.DataDir, "standby.signal"))
	pid := n.byHand()
	eventually(t, "the server by hand is killed", func() bool { _, err := readProcess(pid); return err != nil })
	n.gone()
	eventually(t, "standby.signal is there again", func() bool { return n.has("standby.signal") })
}

func TestStandbyByHandAfterAFenceLives(t *testing.T) {
	t.Parallel()
	n, _ := fenced(t)
	pid := n.byHand()
	n.answers(true)
	until(n.now().Add(5 * lookEvery))
	if s := n.state(); s.Server != Standby || s.Killing {
		t.Errorf("state is %+v", s)
	}
	if _, err := readProcess(pid); err != nil {
		t.Error("a standby was killed")
	}
}

// Neither a promotion by hand nor a primary by hand gets as far as a write.
func TestNothingByHandTakesAWrite(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.append("postgresql.auto.conf", "fsync=on\n")
	g := n.connect()
	n.lives(g)
	w := n.writers(1)
	n.shorten(g, 2, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing && n.has("standby.signal") })
	fenced := n.now()
	over := func(pid int) {
		t.Helper()
		eventually(t, "the server by hand is gone", func() bool { _, err := readProcess(pid); return err != nil })
		n.gone()
		// One that was killed before it wrote into its lock file leaves an empty
		// one, on which none starts.
		os.Remove(filepath.Join(n.DataDir, "postmaster.pid"))
		eventually(t, "the guard is done", func() bool { return !n.state().Killing && n.has("standby.signal") })
		if last := w.lastReply(); last > fenced {
			t.Fatalf("a write was acknowledged %v after the fence", last.Sub(fenced))
		}
	}
	for range 5 {
		if err := os.Remove(filepath.Join(n.DataDir, "standby.signal")); err != nil {
			t.Fatal(err)
		}
		over(n.byHand())
	}
	for range 5 {
		pid := n.byHand()
		n.answers(true)
		// It fails if the server is gone before it is told.
		_ = exec.Command(filepath.Join(n.bin, "pg_ctl"), "promote", "-W", "-D", n.DataDir).Run()
		over(pid)
	}
}

// Putting standby.signal under a server that runs doesn't make it a standby.
func TestFileUnderARunningPrimaryIsNotBelieved(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	pid := n.byHand()
	n.answers(false)
	n.write("standby.signal", "")
	n.connect()
	if s := n.state(); s.Server != Writable {
		t.Errorf("state is %+v", s)
	}
	_ = pid
}

// A guard that hasn't fired doesn't let a primary by hand be, either, and lets
// initdb and a postgres that only tells a setting be.
func TestNewLatchKillsServersOnly(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if err := os.RemoveAll(n.DataDir); err != nil {
		t.Fatal(err)
	}
	g := n.connect()
	out, err := exec.Command(filepath.Join(n.bin, "initdb"), "-D", n.DataDir, "-A", "trust", "-U", "postgres", "-N").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb under the latch: %v: %s", err, out)
	}
	n.write("postgresql.auto.conf", fmt.Sprintf("port=%d\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\n", n.port))
	for range 5 {
		out, err := exec.Command(filepath.Join(n.bin, "postgres"), "-D", n.DataDir, "-C", "port").Output()
		if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(n.port) {
			t.Fatalf("postgres -C under the latch: %v: %s", err, out)
		}
	}
	n.lead(g, n.arm(1, "A", time.Minute, time.Minute))
	syscall.Kill(n.state().Postmaster, syscall.SIGINT)
	n.gone()
	if err := g.Disarm(soon(t), 2); err != nil {
		t.Fatal(err)
	}
	pid := n.byHand()
	eventually(t, "the primary by hand is killed", func() bool { _, err := readProcess(pid); return err != nil })
}

// A postgres that serves nobody is no server either while it ends, when the kernel
// has forgotten its arguments.
func TestEndingProgramsAreNoServers(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.connect()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { // reasons to look
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				name := filepath.Join(n.DataDir, "reason")
				os.WriteFile(name, nil, 0o600)
				os.Remove(name)
			}
		}
	}()
	for range 40 {
		out, err := exec.Command(filepath.Join(n.bin, "postgres"), "--single", "-D", n.DataDir, "postgres").CombinedOutput()
		if err != nil {
			t.Errorf("postgres --single under the latch: %v: %s", err, out)
			break
		}
	}
	close(stop)
	<-ended
	if s := n.state(); s.Fired {
		t.Errorf("the guard fired: %+v", s)
	}
}

// Whatever isn't postgres is left alone, whether the guard's descendant or not.
func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	shell := exec.Command("/bin/sh", "-c", "sleep 1000; :")
	shell.Dir = n.DataDir
	shell.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
		shell.Wait()
	})
	n.lives(g)
	mark := filepath.Join(filepath.Dir(n.DataDir), "program")
	// COPY TO PROGRAM stands for archive_command: a backend runs a shell. It
	// ends by itself.
	script := fmt.Sprintf("echo $$ >%[1]s; cat >/dev/null; i=0; while [ $i -lt 500 ] && [ ! -e %[1]s.end ]; do sleep 0.1; i=$((i+1)); done; touch %[1]s.done", mark)
	go n.exec(fmt.Sprintf("copy (select 1) to program '%s'", strings.ReplaceAll(script, "'", "''")))
	eventually(t, "the program runs", func() bool { text, _ := os.ReadFile(mark); return len(text) > 0 })
	n.shorten(g, 2, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing })
	n.gone()
	if _, err := readProcess(shell.Process.Pid); err != nil {
		t.Error("a shell in the data directory was killed")
	}
	os.WriteFile(mark+".end", nil, 0o600)
	eventually(t, "the program ends by itself", func() bool { _, err := os.Stat(mark + ".done"); return err == nil })
}
