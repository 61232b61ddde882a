package fence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeze stops the process, and returns what lets it go on.
func (n *node) freeze(pid int) (thaw func()) {
	n.Helper()
	syscall.Kill(pid, syscall.SIGSTOP)
	n.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
	eventually(n, "it is frozen", func() bool { return allStopped(pid) })
	return func() { syscall.Kill(pid, syscall.SIGCONT) }
}

// guards waits until the guard with this pid can be found.
func (n *node) guards(pid int) (s State) {
	n.Helper()
	eventually(n, fmt.Sprintf("the guard with pid %d is found", pid), func() bool {
		var err error
		s, err = ReadState(soon(n), n.Options)
		return err == nil && s.Guard == pid
	})
	return s
}

func TestGuardIsFoundAfterItsFilesAreRemoved(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	n.lives(g)
	guard, armed := n.guardPID(), n.state().Arm
	p, err := n.place()
	if err != nil {
		t.Fatal(err)
	}
	// What lies in a folder goes one by one: the guard may have put back the first
	// before the last is gone.
	removeAll := func(dir string) error {
		if err := os.RemoveAll(dir); !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		return nil
	}
	for _, c := range []struct {
		gone   string
		remove func() error
	}{
		{"the socket", func() error { return os.Remove(p.socket()) }},
		{"all but the socket", func() error { return errors.Join(os.Remove(p.pid()), os.Remove(p.latch())) }},
		{"the folder", func() error { return removeAll(string(p)) }},
		{"the run directory", func() error { return removeAll(n.RunDir) }},
		{"the socket is another's", func() error {
			os.Remove(p.socket())
			l, err := net.Listen("unix", p.socket())
			if err == nil {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				l.Close()
			}
			return err
		}},
	} {
		if err := c.remove(); err != nil {
			t.Fatal(err)
		}
		s := n.guards(guard)
		if s.Agent != os.Getpid() || s.Arm != armed || s.Server != Writable {
			t.Errorf("%s: state is %+v", c.gone, s)
		}
		eventually(t, c.gone+": guard.pid is there", func() bool { return n.guardPID() == guard })
		eventually(t, c.gone+": the latch is there", func() bool {
			l, err := readLatch(p.latch())
			return err == nil && l.Number == armed.Number
		})
	}
	if err := g.Arm(soon(t), n.arm(2, "A", time.Hour, time.Hour)); err != nil {
		t.Errorf("the agent that was connected: %v", err)
	}
}

// Before there is a data directory to lock, the folder's lock alone keeps guards
// apart, and that goes with the folder.
func TestGuardLeavesTheNextOnesSocketAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if err := os.RemoveAll(n.DataDir); err != nil {
		t.Fatal(err)
	}
	n.connect()
	first := n.guardPID()
	t.Cleanup(func() { syscall.Kill(first, syscall.SIGKILL) })
	thaw := n.freeze(first)
	if err := os.RemoveAll(n.RunDir); err != nil {
		t.Fatal(err)
	}
	n.connect()
	second := n.guardPID()
	if second == first || second == 0 {
		t.Fatalf("the second guard is %d, the first was %d", second, first)
	}
	// The signal is there before it thaws: it ends without looking for its files.
	syscall.Kill(first, syscall.SIGTERM)
	thaw()
	eventually(t, "the first ended", func() bool { _, err := readProcess(first); return err != nil })
	if s := n.state(); s.Guard != second {
		t.Errorf("found is %d, not %d", s.Guard, second)
	}
}

func TestGuardFollowsOneThatHadItsPlace(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if err := os.RemoveAll(n.DataDir); err != nil {
		t.Fatal(err)
	}
	n.connect()
	first := n.guardPID()
	t.Cleanup(func() { syscall.Kill(first, syscall.SIGKILL) })
	thaw := n.freeze(first)
	if err := os.RemoveAll(n.RunDir); err != nil {
		t.Fatal(err)
	}
	n.connect()
	second := n.guardPID()
	thaw()
	eventually(t, "the first says that it can't be found", func() bool {
		text, _ := os.ReadFile(n.folder() + "/guard.log")
		return strings.Contains(string(text), fmt.Sprintf("another guard holds %s: pid %d", n.folder(), second))
	})
	if s := n.state(); s.Guard != second {
		t.Errorf("found is %d, not %d", s.Guard, second)
	}
	syscall.Kill(second, syscall.SIGKILL)
	n.guards(first)
}

func TestConnectSaysWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]bool{"frozen": false, "frozen and without its socket": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.connect().Close()
			pid := n.guardPID()
			thaw := n.freeze(pid)
			if p, _ := n.place(); hide {
				if err := os.Remove(p.socket()); err != nil {
					t.Fatal(err)
				}
			}
			who := fmt.Sprintf("pid %d", pid)
			var log bytes.Buffer
			o := n.Options
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			before := n.logged()
			ctx, cancel := context.WithTimeout(context.Background(), sayAfter+2*time.Second)
			defer cancel()
			_, err := Connect(ctx, o)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), who) {
				t.Errorf("got %v, want an error that names %s", err, who)
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), who) || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("logged:\n%s", log.String())
			}
			if after := n.logged(); after != before {
				t.Errorf("the guard's log grew by %d bytes", after-before)
			}
			thaw()
			if g := n.connect(); n.guardPID() != pid {
				t.Errorf("another guard than %d: %v", pid, g)
			}
		})
	}
}

// logged is the length of the guard's log.
func (n *node) logged() int {
	text, err := os.ReadFile(n.folder() + "/guard.log")
	if err != nil {
		n.Fatal(err)
	}
	return len(text)
}
