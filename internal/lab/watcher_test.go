package lab

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/testenv"
)

// agentScript leaves a process behind as an agent does: in a session of its own,
// without our environment, known by nothing but where it stands and what it runs.
const agentScript = `#!/bin/sh
mkdir -p "$(dirname "$1")/data" && cd "$(dirname "$1")/data" || exit 1
env -i setsid "$(dirname "$0")/postgres" 1000 &
exec tail -f "$1"
`

// own is a program that owns a lab and waits to be killed. It prints the lab's
// directory and its nodes' processes.
func own(bin string) {
	l, err := New(ownOptions(bin))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, n := range l.Nodes {
		if err := n.StartAgent(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println(l.Dir)
	select {}
}

func ownOptions(bin string) Options {
	return Options{
		Agent: []string{filepath.Join(bin, "agent")}, PostgresBin: bin,
		Store: Etcd("false"), Output: os.Stderr,
	}
}

// programs makes a folder with an agent and a server of sorts.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"postgres": text, "agent": []byte(agentScript)} {
		if err := os.WriteFile(filepath.Join(bin, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// detached waits for the process that each node left behind.
func detached(t *testing.T, dir, bin string) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, "each node to have its server", func() error {
		servers := 0
		for _, r := range processes(dir, []string{realPath(bin)}) {
			if r.isPostgres() && r.mark == "" {
				servers++
			}
		}
		if servers != 3 {
			return fmt.Errorf("%d servers", servers)
		}
		return nil
	})
}

func allGone(t *testing.T, dir, bin string) {
	t.Helper()
	testenv.Eventually(t, 30*time.Second, "nothing to be left", func() error {
		if left := processes(dir, []string{realPath(bin)}); len(left) > 0 {
			return fmt.Errorf("processes %s", list(left))
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			return fmt.Errorf("the directory: %v", err)
		}
		return nil
	})
}

func TestCloseEndsAll(t *testing.T) {
	bin := programs(t)
	l, err := New(ownOptions(bin))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range l.Nodes {
		if err := n.StartAgent(); err != nil {
			t.Fatal(err)
		}
	}
	detached(t, l.Dir, bin)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	allGone(t, l.Dir, bin)
}

func TestOwnerKilled(t *testing.T) {
	bin := programs(t)
	owner := exec.Command("/proc/self/exe") // the path may lie below a folder of root's alone
	owner.Env = append(os.Environ(), ownerVariable+"="+bin)
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err == nil {
		err = owner.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Wait()
	defer owner.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !filepath.IsAbs(dir) {
		t.Fatalf("the owner said %q: %v", line, err)
	}
	detached(t, dir, bin)
	owner.Process.Kill()
	allGone(t, dir, bin)
}

func TestKillHost(t *testing.T) {
	bin := programs(t)
	l, err := New(ownOptions(bin))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range l.Nodes {
		if err := n.StartAgent(); err != nil {
			t.Fatal(err)
		}
	}
	detached(t, l.Dir, bin)
	l.Node("b").KillHost()
	if left := processes(l.Node("b").Dir, l.programs); len(left) > 0 {
		t.Errorf("left on the killed host: %s", list(left))
	}
	for _, name := range []string{"a", "c"} {
		if n := len(processes(l.Node(name).Dir, l.programs)); n != 2 {
			t.Errorf("%d processes on %s, which was left alone", n, name)
		}
	}
}

func TestKeep(t *testing.T) {
	bin := programs(t)
	l, err := New(ownOptions(bin))
	if err != nil {
		t.Fatal(err)
	}
	l.Keep()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	defer os.RemoveAll(l.Dir)
	config, err := os.Stat(l.Nodes[0].Config)
	if err != nil {
		t.Fatal(err)
	}
	if config.Mode().Perm() != fs.FileMode(0o600) {
		t.Errorf("the configuration, which has passwords, has mode %v", config.Mode())
	}
}

func TestStopped(t *testing.T) {
	c := exec.Command("sleep", strconv.Itoa(1000))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	if stopped(c.Process.Pid) {
		t.Error("a process that runs counts as stopped")
	}
	r, ok := look(c.Process.Pid)
	if !ok {
		t.Fatal("our own child can't be seen")
	}
	r.signal(syscall.SIGSTOP)
	testenv.Eventually(t, 10*time.Second, "it to stand still", func() error {
		if !stopped(r.pid) {
			return fmt.Errorf("it runs")
		}
		return nil
	})
}
