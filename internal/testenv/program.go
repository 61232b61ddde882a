package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// programVar, in the environment of a test binary, makes it the program that it
// tests.
const programVar = "REGENT_TEST_PROGRAM"

// MainOf is the body of a TestMain in a package main whose tests run the program
// itself, by Run: program is its main. Like Main, it keeps root away.
func MainOf(m *testing.M, program func()) {
	if os.Getenv(programVar) != "" {
		program()
		os.Exit(0)
	}
	Main(m)
}

// Program is a run of the program under test.
type Program struct {
	child *child
}

// Run starts the program with these arguments. It is killed with the test.
func Run(tb testing.TB, args ...string) *Program {
	tb.Helper()
	tb.Setenv(programVar, "1")
	log := filepath.Join(tb.TempDir(), "output")
	return &Program{startChild(tb, log, "/proc/self/exe", args...)}
}

// Output is what it has printed.
func (p *Program) Output() string {
	text, _ := os.ReadFile(p.child.log)
	return string(text)
}

// WaitFor returns what pattern matches first in its output, once it does.
func (p *Program) WaitFor(tb testing.TB, within time.Duration, pattern string) string {
	tb.Helper()
	re := regexp.MustCompile(pattern)
	var found string
	Eventually(tb, within, "the program to print "+pattern, func() error {
		if found = re.FindString(p.Output()); found != "" {
			return nil
		}
		select {
		case <-p.child.done:
			tb.Fatalf("the program ended (%v) before it printed %q:\n%s", p.child.cmd.ProcessState, pattern, p.Output())
		default:
		}
		return fmt.Errorf("it has printed:\n%s", p.Output())
	})
	return found
}

// Interrupt asks it to end, as Ctrl-C does.
func (p *Program) Interrupt() { p.child.signal(syscall.SIGINT) }

// Kill ends it at once.
func (p *Program) Kill() { p.child.kill() }

// WaitEnd returns when it has ended, which must be with status 0.
func (p *Program) WaitEnd(tb testing.TB, within time.Duration) {
	tb.Helper()
	Eventually(tb, within, "the program to end", func() error {
		select {
		case <-p.child.done:
			return nil
		default:
			return errors.New("it still runs")
		}
	})
	if state := p.child.cmd.ProcessState; !state.Success() {
		tb.Fatalf("the program ended with %v:\n%s", state, p.Output())
	}
}

// EndBelow kills, when the test ends, every process whose command line names
// something below dir, which must be a folder of the test's own: what a program
// started that outlives it.
func EndBelow(tb testing.TB, dir string) {
	tb.Cleanup(func() {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			text, _ := os.ReadFile(file)
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil || pid == os.Getpid() || !bytes.Contains(text, []byte(dir+"/")) {
				continue
			}
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				tb.Logf("ended process %d: %s", pid, bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
			}
		}
	})
}
