package fence

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// late is more than guard and writers wait for a processor on a busy machine.
const late = time.Second

func TestNoWriteIsAcknowledgedAfterKill(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	// No time for the fast shutdown: the kill alone must do.
	n.lives(g)
	w := n.writers(4)
	a := n.shorten(g, 2, time.Second, time.Second)
	until(a.Kill)
	n.gone()
	dead := n.now()
	t.Logf("nothing left %v after the deadline, last reply %v after it, %d writes", dead.Sub(a.Kill), w.lastReply().Sub(a.Kill), w.count.Load())
	if after := w.lastReply().Sub(a.Kill); after > late {
		t.Errorf("a write was acknowledged %v after the deadline", after)
	}
	if s := n.state(); !s.Fired || s.Spent != "A" || s.Armed() {
		t.Errorf("state is %+v", s)
	}
	eventually(t, "standby.signal is there", func() bool { return n.has("standby.signal") })
}

func TestFastShutdownComesFirst(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	w := n.writers(2)
	a := n.shorten(g, 2, 200*time.Millisecond, 4*time.Second)
	n.gone()
	dead := n.now()
	t.Logf("stopped %v after the order, last reply %v after it", dead.Sub(a.Fast), w.lastReply().Sub(a.Fast))
	if dead.Before(a.Fast) || !dead.Before(a.Kill) {
		t.Errorf("dead %v after the order for the fast shutdown, the kill's was %v after it", dead.Sub(a.Fast), a.Kill.Sub(a.Fast))
	}
	if s := n.state(); s.Fired || !s.Armed() {
		t.Errorf("it fired early: %+v", s)
	}
	if n.has("postmaster.pid") {
		t.Error("the server didn't shut down in order")
	}
	eventually(t, "the guard fires all the same", func() bool { return n.state().Fired })
}

func TestLastNumberSetsTheDeadline(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	pid := n.lives(g)
	n.shorten(g, 2, time.Second, time.Second)
	renewed := n.arm(4, "A", time.Minute, time.Minute)
	if err := g.Arm(soon(t), renewed); err != nil {
		t.Fatal(err)
	}
	if err := g.Arm(soon(t), n.arm(3, "A", 0, 0)); reasonOf(err) != RefusedNumber {
		t.Errorf("an old number: %v", err)
	}
	until(n.now().Add(1500 * time.Millisecond))
	if s := n.state(); s.Arm != renewed || s.Postmaster != pid || s.Server != Writable {
		t.Fatalf("state is %+v", s)
	}
	sooner := n.arm(5, "A", 0, 0)
	if err := g.Arm(soon(t), sooner); err != nil {
		t.Fatal(err)
	}
	n.gone()
	if s := n.state(); !s.Fired {
		t.Errorf("state is %+v", s)
	}
}

func TestFrozenGuardFiresWhenItThaws(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	w := n.writers(2)
	a := n.shorten(g, 2, 2*time.Second, 2*time.Second)
	guard := n.guardPID()
	syscall.Kill(guard, syscall.SIGSTOP)
	// The signal is on its way; a thread may still answer.
	eventually(t, "the guard is frozen", func() bool { return allStopped(guard) })
	renewed := make(chan error, 1)
	go func() { renewed <- g.Arm(soon(t), n.arm(3, "A", time.Minute, time.Minute)) }()
	until(a.Kill.Add(time.Second))
	thawed := n.now()
	syscall.Kill(guard, syscall.SIGCONT)
	n.gone()
	t.Logf("last reply %v after the thaw", w.lastReply().Sub(thawed))
	if after := w.lastReply().Sub(thawed); after > late {
		t.Errorf("a write was acknowledged %v after the guard thawed", after)
	}
	if err := <-renewed; reasonOf(err) != RefusedSpent {
		t.Errorf("the arm that waited in the socket: %v", err)
	}
}

func TestDeadGuardEndsTheServer(t *testing.T) {
	alone(t)
	n := newNode(t)
	g := n.connect()
	n.lead(g, n.arm(1, "A", time.Minute, time.Minute))
	killed := n.now()
	syscall.Kill(n.guardPID(), syscall.SIGKILL)
	<-g.Lost()
	if err := g.Arm(soon(t), n.arm(2, "A", time.Minute, time.Minute)); !errors.Is(err, ErrLost) {
		t.Errorf("arm without a guard: %v", err)
	}
	n.gone()
	t.Logf("server gone %v after the guard's death", n.now().Sub(killed))
	if n.has("postmaster.pid") {
		t.Error("the server didn't shut down in order")
	}
	g2 := n.connect()
	n.lead(g2, n.arm(2, "A", time.Minute, time.Minute))
}

func TestFireOutlivesTheGuard(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	n.shorten(g, 7, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing })
	latch := n.folder() + "/latch"
	eventually(t, "the latch is on disk", func() bool { _, err := os.Stat(latch); return err == nil })
	syscall.Kill(n.guardPID(), syscall.SIGKILL)
	<-g.Lost()

	g = n.connect()
	s, err := g.State(soon(t))
	if err != nil || !s.Fired || s.Spent != "A" || s.Number != 7 {
		t.Fatalf("the next guard's state is %+v, %v", s, err)
	}
	if err := g.Arm(soon(t), n.arm(8, "A", time.Minute, time.Minute)); reasonOf(err) != RefusedSpent {
		t.Errorf("arm for the spent grant: %v", err)
	}
	if _, err := g.Launch(soon(t), n.command(7)); reasonOf(err) != RefusedLatched {
		t.Errorf("writable launch under the latch: %v", err)
	}
}

// The one way back after a fence: as a standby, then a new grant, then a promotion.
func TestWayBackAfterAFence(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	n.shorten(g, 2, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing && n.has("standby.signal") })

	if err := g.Arm(soon(t), n.arm(3, "B", time.Minute, time.Minute)); err != nil {
		t.Fatal(err)
	}
	os.Remove(n.DataDir + "/standby.signal")
	if _, err := g.Launch(soon(t), n.command(3)); reasonOf(err) != RefusedFenced {
		t.Errorf("start in place after a fence: %v", err)
	}
	if err := g.Disarm(soon(t), 4); err != nil {
		t.Fatal(err)
	}
	n.write("standby.signal", "")
	if _, err := g.Launch(soon(t), n.command(0)); err != nil {
		t.Fatal(err)
	}
	n.answers(true)
	if err := g.Arm(soon(t), n.arm(5, "C", time.Minute, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := n.exec("select pg_promote()"); err != nil {
		t.Fatal(err)
	}
	n.answers(false)
	if s := n.state(); s.Fired || s.Fenced != "" || s.Arm.Grant != "C" {
		t.Errorf("state is %+v", s)
	}
}

func TestRefusals(t *testing.T) {
	alone(t)
	n := newNode(t)
	g := n.connect()
	refused := func(what string, err error, want Reason) {
		t.Helper()
		if reasonOf(err) != want {
			t.Errorf("%s: got %v, want refusal %q", what, err, want)
		}
	}
	launch := func(c Command) error { _, err := g.Launch(soon(t), c); return err }
	refused("a standby without standby.signal", launch(n.command(0)), RefusedLatched)
	refused("a primary without an arm", launch(n.command(1)), RefusedLatched)
	refused("arm without a grant", g.Arm(soon(t), n.arm(1, "", time.Minute, time.Minute)), RefusedInvalid)
	refused("arm that kills before it stops", g.Arm(soon(t), n.arm(1, "A", 2*time.Minute, time.Minute)), RefusedInvalid)
	refused("arm of the past", g.Arm(soon(t), n.arm(1, "A", -1, time.Minute)), RefusedLate)
	if err := g.Arm(soon(t), n.arm(5, "A", time.Minute, time.Minute)); err != nil {
		t.Fatal(err)
	}
	refused("number used twice", g.Arm(soon(t), n.arm(5, "A", time.Minute, time.Minute)), RefusedNumber)
	refused("permit of another arm", launch(n.command(4)), RefusedNumber)
	late := n.command(5)
	late.Permit.NotAfter = n.now()
	refused("late permit", launch(late), RefusedLate)
	elsewhere := n.command(5)
	elsewhere.Dir = os.TempDir()
	refused("another directory", launch(elsewhere), RefusedInvalid)

	missing := n.command(5)
	missing.Path = "/no/such/postgres"
	if err := launch(missing); err == nil || reasonOf(err) != "" {
		t.Errorf("an executable that is missing: %v", err)
	}
	eventually(t, "the failed launch is over", func() bool { return n.state().Server == None })
	if err := launch(n.command(5)); err != nil {
		t.Fatal(err)
	}
	n.answers(false)
	refused("a second server", launch(n.command(5)), RefusedRunning)
	refused("disarm under a primary", g.Disarm(soon(t), 6), RefusedRunning)
}

func TestDisarm(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	pid := n.lead(g, n.arm(1, "A", time.Minute, time.Minute))
	syscall.Kill(pid, syscall.SIGINT)
	n.gone()
	if err := g.Disarm(soon(t), 2); err != nil {
		t.Fatalf("with nothing running: %v", err)
	}
	if _, err := g.Launch(soon(t), n.command(1)); reasonOf(err) != RefusedLatched {
		t.Errorf("writable launch after a disarm: %v", err)
	}
	if err := g.Arm(soon(t), n.arm(3, "A", time.Minute, time.Minute)); err != nil {
		t.Fatal(err)
	}
	n.write("standby.signal", "")
	if _, err := g.Launch(soon(t), n.command(0)); err != nil {
		t.Fatal(err)
	}
	n.answers(true)
	if err := g.Disarm(soon(t), 4); err != nil {
		t.Fatalf("with a standby: %v", err)
	}
	until(n.now().Add(5 * lookEvery))
	if s := n.state(); s.Armed() || s.Server != Standby || s.Fired {
		t.Errorf("state is %+v", s)
	}
}

// allStopped says whether no thread of the process runs.
func allStopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		text, rerr := os.ReadFile(thread)
		state := bytes.LastIndexByte(text, ')') + 2
		if rerr != nil || state >= len(text) || text[state] != 'T' {
			return false
		}
	}
	return err == nil && len(threads) > 0
}
