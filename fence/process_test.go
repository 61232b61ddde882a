package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// A process may go between the look-up of its file in /proc and the reading, and
// that isn't "no such file". One that had ended was taken for a server then.
func TestProcessThatGoesWhileItIsLookedAt(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read line")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := readProcess(cmd.Process.Pid)
	if err != nil || p.exiting() {
		t.Fatalf("a living process: %v, exiting %v", err, p.exiting())
	}
	dir, err := os.Open(fmt.Sprintf("/proc/%d", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	stdin.Close()
	cmd.Wait()
	_, err = unix.Readlinkat(int(dir.Fd()), "exe", make([]byte, 100))
	if errors.Is(err, fs.ErrNotExist) || !vanished(err) {
		t.Errorf("reading what was looked up before: %v", err)
	}
	if !p.exiting() {
		t.Error("a process that is gone runs")
	}
}
