package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// child is a process that ends with the test, whatever ends the test.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and was waited for
	log  string        // path of what it printed

}

// startChild runs a program with its output in a file. The parent death signal
// follows the thread that forked, not the process: so one thread forks, and does
// nothing but wait until the child has ended.
func startChild(tb testing.TB, log, program string, args ...string) *child {
	tb.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	defer out.Close()
	c := &child{cmd: exec.Command(program, args...), done: make(chan struct{}), log: log}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		tb.Fatalf("testenv: start %s: %v", program, err)
	}
	tb.Cleanup(func() { c.kill() })
	return c
}

// died says why the process has ended, if it has.
func (c *child) died() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	log, _ := os.ReadFile(c.log)
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return fmt.Errorf("%s ended; its last lines:\n%s", filepath.Base(c.cmd.Path), bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// kill ends it at once.
func (c *child) kill() {
	c.signal(syscall.SIGKILL)
	<-c.done
}

// freeze stops it with SIGSTOP and returns when all its threads stand still.
func (c *child) freeze(tb testing.TB) {
	tb.Helper()
	c.signal(syscall.SIGSTOP)
	Eventually(tb, 10*time.Second, "the process to be stopped", func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		if err != nil {
			return err
		}
		if state := processState(status); state != 'T' {
			return fmt.Errorf("its state is %c", state)
		}
		return nil
	})
}

func (c *child) thaw() { c.signal(syscall.SIGCONT) }

// signal does nothing once the process has ended: its number may be another's.
func (c *child) signal(s syscall.Signal) {
	select {
	case <-c.done:
	default:
		c.cmd.Process.Signal(s)
	}
}

// processState is the third field of /proc/PID/stat (proc(5)); the second one is
// in parentheses and may hold any character.
func processState(stat []byte) byte {
	for i := len(stat) - 3; i > 0; i-- {
		if stat[i] == ')' {
			return stat[i+2]
		}
	}
	return '?'
}

// Eventually polls until check returns nil, and fails the test with its last
// error when that takes longer than within.
func Eventually(tb testing.TB, within time.Duration, what string, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v for %s: %v", within, what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
