package fence

import (
	"bytes"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killAll returns when nothing in the scope is left. Each postmaster is stopped
// first, so that it starts nobody new, and dies last, so that nobody else can
// start on the data directory meanwhile.
func (s *scope) killAll(log *slog.Logger) (killed int) {
	var complained bool
	for pass := 1; ; pass++ {
		members, err := s.find()
		if err == nil && len(members) == 0 {
			return killed
		}
		if err != nil && !complained {
			complained = true
			log.Error("looking for what is left to kill", "error", err)
		}
		killed += strike(members)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		wait(processesOf(members), min(time.Duration(5*pass)*time.Millisecond, 100*time.Millisecond))
	}
}

// killChildren is the first blow: to a known postmaster's children, without
// looking through all of /proc first. Those are all that clients talk to.
func (p process) killChildren() {
	if p.pid == 0 || p.signal(unix.SIGSTOP) != nil {
		return
	}
	// A stopped parent waits for nobody, so a child's pid stays the child's
	// (proc_tid_children(5); not every kernel has the file).
	for range 100 {
		if p.stopped() {
			break
		}
	}
	pid := strconv.Itoa(p.pid)
	text, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	for _, child := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(child); err == nil && n > 1 {
			unix.Kill(n, unix.SIGKILL)
		}
	}
}

func (p process) stopped() bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/stat")
	state := bytes.LastIndexByte(text, ')') + 2
	return err != nil || state < len(text) && text[state] == 'T'
}

func strike(members []member) (killed int) {
	for _, m := range members {
		if m.root {
			m.signal(unix.SIGSTOP)
		}
	}
	for _, m := range members {
		if !m.root && m.signal(unix.SIGKILL) == nil {
			killed++
		}
	}
	if killed > 0 {
		return killed
	}
	for _, m := range members {
		if m.root && onlyRoots(members) && m.signal(unix.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

func onlyRoots(members []member) bool {
	for _, m := range members {
		if !m.root {
			return false
		}
	}
	return true
}

func processesOf(members []member) []process {
	out := make([]process, 0, len(members))
	for _, m := range members {
		out = append(out, m.process)
	}
	return out
}

// interrupt asks every postmaster for a fast shutdown (PostgreSQL documentation,
// "Shutting Down the Server").
func (s *scope) interrupt() error {
	members, err := s.find()
	for _, m := range members {
		if m.root && !m.standalone() {
			m.signal(unix.SIGINT)
		}
	}
	return err
}
