package fence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/testenv"
)

// The test binary is also the guard, and some other programs that tests need.
func TestMain(m *testing.M) {
	Main()
	switch os.Getenv("FENCE_TEST_PROGRAM") {
	case "leash":
		leashed()
		return
	case "agent":
		agentProgram()
		return
	}
	if os.Getuid() != 0 {
		leash()
	}
	testenv.Main(m)
}

// alone fails the test for each goroutine that it leaves. A test that calls it
// first has its cleanups done before.
func alone(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// program is the test binary as another program.
func program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "FENCE_TEST_PROGRAM="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// leash starts a process that ends every guard and server of this test run when
// the run itself has ended, by whatever death: guards are made to outlive us.
func leash() {
	cmd := program("leash", os.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	r.Close()
	unix.CloseOnExec(int(w.Fd()))
	leashEnd = w
}

var leashEnd io.Closer // stays open for the life of the run

func leashed() {
	io.Copy(io.Discard, os.Stdin)
	for _, pattern := range []string{"*/*/*/*/guard.pid", "*/*/*/guard.pid", "*/*/*/postmaster.pid", "*/*/postmaster.pid"} {
		files, _ := filepath.Glob(filepath.Join(os.Args[1], pattern))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			pid, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
			if pid > 1 && strings.Contains(cmdline(pid), os.Args[1]) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

func cmdline(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// eventually polls until done, for at most 20 s.
func eventually(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	testenv.Eventually(tb, 20*time.Second, what, func() error {
		if done() {
			return nil
		}
		return errors.New("not yet")
	})
}

func soon(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

func reasonOf(err error) Reason {
	var r *RefusedError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func until(at clock.Instant) {
	t := clock.System().NewTimer(at)
	defer t.Stop()
	<-t.C()
}
