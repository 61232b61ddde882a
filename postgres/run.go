package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// killDelay is how long a cancelled program has to end by itself after SIGTERM.
const killDelay = 10 * time.Second

// job is a program that is run to its end.
type job struct {
	path   string
	args   []string
	env    []string // the whole environment
	dir    string
	line   func(string) // called with each line of its output; may be nil
	secret string       // is blanked out of what an error shows

	patience time.Duration // with it after it was cancelled; 0: killDelay
}

// run runs j in a process group of its own and waits. When ctx ends the group
// gets SIGTERM and, after its patience, SIGKILL; nothing of it is left when run
// returns. The error has the program's name and its last lines.
func (j job) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, j.path, j.args...)
	cmd.Env, cmd.Dir = j.env, j.dir
	out := &tail{line: j.line}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = groupAttr()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if cmd.WaitDelay = j.patience; j.patience == 0 {
		cmd.WaitDelay = killDelay
	}
	name := filepath.Base(j.path)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it may have left in its group
	out.flush()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s was cancelled: %w", name, context.Cause(ctx))
	case err == nil:
		return nil
	}
	if last := out.last(); last != "" {
		if j.secret != "" {
			last = strings.ReplaceAll(last, j.secret, "***")
		}
		return fmt.Errorf("%s: %w: %s", name, err, last)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// command is a job of our user's: words of the configured command and more
// arguments after them.
func command(configured string, more ...string) (job, error) {
	words, err := splitWords(configured)
	if err != nil {
		return job{}, fmt.Errorf("the command %q %w", configured, err)
	}
	return job{path: words[0], args: append(words[1:], more...), env: serverEnv(), dir: "/"}, nil
}

// tail keeps the last lines written to it.
type tail struct {
	line  func(string)
	part  []byte
	lines []string
}

const (
	tailLines = 5
	tailWidth = 500
)

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexAny(p, "\n\r")
		if i < 0 {
			break
		}
		t.part = append(t.part, p[:i]...)
		t.flush()
		p = p[i+1:]
	}
	if len(t.part) < tailWidth {
		t.part = append(t.part, p...)
	}
	return n, nil
}

func (t *tail) flush() {
	text := strings.TrimSpace(string(t.part[:min(len(t.part), tailWidth)]))
	t.part = t.part[:0]
	if text == "" {
		return
	}
	if t.line != nil {
		t.line(text)
	}
	if len(t.lines) == tailLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, text)
}

func (t *tail) last() string { return strings.Join(t.lines, "; ") }
