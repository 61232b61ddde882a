package fence

import (
	"syscall"
	"testing"
	"time"
)

// record writes the lease file of an arm.
func (n *node) record(a Arm, change func(*Record)) {
	n.Helper()
	r, err := NewRecord(a, n.DataDir, "m1", systemIDOf(n.DataDir, ""))
	if err != nil {
		n.Fatal(err)
	}
	if change != nil {
		change(&r)
	}
	path, err := n.LeaseFile()
	if err != nil {
		n.Fatal(err)
	}
	p, _ := n.place()
	if err := p.make(); err != nil {
		n.Fatal(err)
	}
	if err := WriteRecord(path, r); err != nil {
		n.Fatal(err)
	}
}

func TestAdoptedServerHasTheDeadlineOfTheLeaseFile(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	pid := n.byHand()
	n.answers(false)
	a := n.arm(41, "A", 4*time.Second, 4*time.Second)
	n.record(a, nil)
	n.connect()
	if s := n.state(); s.Arm != a || s.Number != 41 || s.Postmaster != pid || s.Server != Writable {
		t.Fatalf("state is %+v", s)
	}
	w := n.writers(1)
	until(a.Kill)
	n.gone()
	if after := w.lastReply().Sub(a.Kill); after > late || after < -late {
		t.Errorf("the last write was acknowledged %v after the deadline", after)
	}
	if s := n.state(); s.Spent != "A" {
		t.Errorf("state is %+v", s)
	}
}

func TestAdoptedServerThatIsDueDiesAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.byHand()
	n.answers(false)
	n.record(n.arm(41, "A", -2*time.Second, -time.Second), nil)
	n.connect()
	n.gone()
	if s := n.state(); !s.Fired || s.Spent != "A" {
		t.Errorf("state is %+v", s)
	}
}

func TestLeaseFileThatProvesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Record){
		"another boot":      func(r *Record) { r.BootID = "0c1d3b52-0000-0000-0000-000000000000" },
		"another machine":   func(r *Record) { r.Machine += "0" },
		"another directory": func(r *Record) { r.Inode++ },
		"another system":    func(r *Record) { r.SystemID += "1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.RetryTimeout = 2 * time.Second
			pid := n.byHand()
			n.answers(false)
			n.record(n.arm(41, "A", time.Minute, time.Minute), change)
			start := n.now()
			n.connect()
			if s := n.state(); s.Armed() || s.Postmaster != pid {
				t.Fatalf("state is %+v", s)
			}
			n.gone()
			if n.now().Before(start.Add(n.RetryTimeout)) {
				t.Error("stopped before an agent had its time")
			}
		})
	}
}

func TestAdoptedServerThatIsHeldLives(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.RetryTimeout = 2 * time.Second
	n.byHand()
	n.answers(false)
	g := n.connect()
	if err := g.Hold(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	until(n.now().Add(n.RetryTimeout + 2*adoptedGrace))
	if s := n.state(); !s.Held || s.Server != Writable || s.Fired {
		t.Fatalf("state is %+v", s)
	}
	a := n.arm(2, "A", 300*time.Millisecond, 300*time.Millisecond)
	if err := g.Arm(soon(t), a); err != nil {
		t.Fatal(err)
	}
	n.gone()
}

// Agent and guard die together; the server hangs, so that the kernel's SIGINT
// doesn't end it.
func TestGuardAndAgentKilledTogether(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	first, said := n.agent(nil)
	if said != "ok" {
		t.Fatal(said)
	}
	first.Process.Kill()
	first.Wait()
	g := n.connect()
	pid := n.lives(g)
	w := n.writers(2)
	a := n.shorten(g, 2, 4*time.Second, 4*time.Second)
	n.record(a, nil)
	syscall.Kill(pid, syscall.SIGSTOP)
	syscall.Kill(n.guardPID(), syscall.SIGKILL)
	<-g.Lost()
	again, said := n.agent(nil)
	if said != "ok" {
		t.Fatal(said)
	}
	_ = again
	if s := n.state(); s.Arm != a || s.Postmaster != pid {
		t.Fatalf("state is %+v", s)
	}
	until(a.Kill)
	n.gone()
	if after := w.lastReply().Sub(a.Kill); after > late {
		t.Errorf("a write was acknowledged %v after the deadline", after)
	}
}
