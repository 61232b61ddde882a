package lab

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// watcherName is the first argument of a copy of the program that is a watcher.
const watcherName = "regent-lab-watcher:"

// What a lab that has ended its processes itself says before it closes the pipe.
const (
	dismissed     = "done"
	dismissedKeep = "done, keep the directory"
)

// mainCalled: without Main the watcher would be one more lab, and so on.
var mainCalled atomic.Bool

// Main turns a re-executed copy of the program into a lab's watcher, and does
// nothing in any other. It is the first line of main.
func Main() {
	mainCalled.Store(true)
	if len(os.Args) < 4 || os.Args[0] != watcherName {
		return
	}
	// The lab's end is the end of standard input, nothing else.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	dir, remove, programs := os.Args[1], os.Args[2] == "true", os.Args[3:]
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	switch strings.TrimSpace(line) {
	case dismissed:
	case dismissedKeep:
		remove = false
	default:
		if err := end(dir, programs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if remove {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// watcher ends the lab's processes when the lab has died: it holds the other end
// of a pipe that closes with the lab.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func watch(dir string, programs []string, remove bool, output io.Writer) (*watcher, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{watcherName, dir, fmt.Sprint(remove)}, programs...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.Stderr = output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("lab: start the watcher: %w", err)
	}
	return &watcher{cmd, pipe}, nil
}

// dismiss ends the watcher, which removes the directory if that is its to do.
func (w *watcher) dismiss(keep bool) error {
	if w == nil {
		return nil
	}
	word := dismissed
	if keep {
		word = dismissedKeep
	}
	io.WriteString(w.pipe, word+"\n")
	w.pipe.Close()
	timer := time.AfterFunc(30*time.Second, func() { w.cmd.Process.Kill() })
	defer timer.Stop()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("lab: the watcher: %w", err)
	}
	return nil
}
