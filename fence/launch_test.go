package fence

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slow makes the command a wrapper that becomes the server only when told to.
func (n *node) slow(c Command) (Command, string) {
	gate := filepath.Join(filepath.Dir(n.DataDir), "gate")
	wrapper := filepath.Join(filepath.Dir(n.DataDir), "wrapper")
	script := fmt.Sprintf("#!/bin/sh\nwhile [ ! -e %s ]; do sleep 0.05; done\nexec %s \"$@\"\n", gate, c.Path)
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		n.Fatal(err)
	}
	c.Path = wrapper
	return c, gate
}

func TestStartUnderWayIsKilled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	a := n.arm(1, "A", 1500*time.Millisecond, 1500*time.Millisecond)
	if err := g.Arm(soon(t), a); err != nil {
		t.Fatal(err)
	}
	command, gate := n.slow(n.command(1))
	pid, err := g.Launch(soon(t), command)
	if err != nil {
		t.Fatal(err)
	}
	until(a.Kill)
	eventually(t, "the wrapper is killed", func() bool { _, err := readProcess(pid); return err != nil })
	os.WriteFile(gate, nil, 0o600)
	until(n.now().Add(300 * time.Millisecond))
	if n.left() > 0 || n.has("postmaster.pid") {
		t.Error("a server came up after the deadline")
	}
}

// The copy of the guard that is to become the server hangs before it does: the
// log is a pipe that nobody reads.
func TestFrozenBeforeExecIsKilled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	a := n.arm(1, "A", 1500*time.Millisecond, 1500*time.Millisecond)
	if err := g.Arm(soon(t), a); err != nil {
		t.Fatal(err)
	}
	command := n.command(1)
	command.Log = filepath.Join(filepath.Dir(n.DataDir), "fifo")
	if err := unix.Mkfifo(command.Log, 0o600); err != nil {
		t.Fatal(err)
	}
	launched := make(chan error, 1)
	go func() { _, err := g.Launch(soon(t), command); launched <- err }()
	eventually(t, "the copy runs", func() bool { return n.state().Postmaster != 0 })
	pid := n.state().Postmaster
	if !strings.HasPrefix(cmdline(pid), launchName) {
		t.Fatalf("pid %d is %q", pid, cmdline(pid))
	}
	if err := g.Arm(soon(t), Arm{Number: 2, Grant: "A", Fast: a.Fast, Kill: a.Kill}); err != nil {
		t.Errorf("the guard stands still with its child: %v", err)
	}
	until(a.Kill)
	eventually(t, "the copy is killed", func() bool { _, err := readProcess(pid); return err != nil })
	if err := <-launched; err == nil {
		t.Error("a launch that was killed succeeded")
	}
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing })
}

// The server gets just what the command says.
func TestServerInheritsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	pid := n.lead(g, n.arm(1, "A", time.Minute, time.Minute))
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range strings.Split(strings.Trim(string(environ), "\x00"), "\x00") {
		// PostgreSQL sets its own, and overwrites some with its title.
		if strings.HasPrefix(v, settingsVar) || strings.HasPrefix(v, "FENCE_") {
			t.Errorf("environment has %q", v)
		}
	}
	// What a child of ours gets is what we got ourselves; the runtime has more.
	want, err := exec.Command("/bin/sh", "-c", "ulimit -n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &files); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(files.Cur); got != strings.TrimSpace(string(want)) {
		t.Errorf("the server may open %s files, not %s", got, want)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		if strings.Contains(target, n.RunDir) {
			t.Errorf("descriptor %s is the guard's: %s", fd.Name(), target)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if ignored := fieldOf(string(status), "SigIgn:"); maskHas(ignored, syscall.SIGINT) || maskHas(ignored, syscall.SIGTERM) || maskHas(ignored, syscall.SIGQUIT) {
		t.Errorf("the server ignores signals: %s", ignored)
	}
}

func fieldOf(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

func maskHas(line string, sig syscall.Signal) bool {
	fields := strings.Fields(line)
	mask, _ := strconv.ParseUint(fields[len(fields)-1], 16, 64)
	return mask&(1<<(sig-1)) != 0
}

func TestDirectoryMadeAnewIsFollowed(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	g := n.connect()
	aside := n.DataDir + ".failed"
	if err := os.Rename(n.DataDir, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(n.DataDir, os.DirFS(aside)); err != nil {
		t.Fatal(err)
	}
	os.Chmod(n.DataDir, 0o700)
	n.lives(g)
	n.shorten(g, 2, 0, 0)
	eventually(t, "it fired", func() bool { s := n.state(); return s.Fired && !s.Killing })
	if n.left() > 0 {
		t.Error("the server in the new directory lives")
	}
	if o, err := n.place(); err != nil || string(o) != n.folder() {
		t.Errorf("the folder moved: %v", err)
	}
}
