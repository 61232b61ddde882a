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
	struck := map[process]bool{}
	for pass := 1; ; pass++ {
		members, dying, err := s.look()
		for _, p := range dying {
			struck[p] = true
		}
		if err == nil && len(members) == 0 {
			s.letGo(struck)
			return killed
		}
		for _, m := range members {
			struck[m.process] = true
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

// letGo waits until the kernel has taken back what the dead had, and the guard's
// own children are no zombies: the next server doesn't start while shared memory is
// attached, or while the pid in postmaster.pid is there. The dead run no more code,
// so it waits for a second at most; a disk may hold one up for longer.
func (s *scope) letGo(dead map[process]bool) {
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		left := 0
		for p := range dead {
			now, err := readProcess(p.pid)
			if err == nil && now.start == p.start || p.parent == s.guard && unix.Kill(p.pid, 0) == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// killChildren is the first blow: to a known postmaster's children, without
// looking through all of /proc first. Those are all that clients talk to.
func (p process) killChildren() {
	if p.pid == 0 || p.signal(unix.SIGSTOP) != nil {
		return
	}
	// The oldest are PostgreSQL's own. Among them is the startup process, which
	// may be about to end recovery: it doesn't wait for the postmaster to stop.
	for _, child := range p.children(8) {
		if now, err := readProcess(child); err == nil && now.parent == p.pid {
			now.signal(unix.SIGKILL)
		}
	}
	// A stopped parent waits for nobody, so a child's pid stays the child's.
	for range 100 {
		if p.stopped() {
			break
		}
	}
	for _, child := range p.children(-1) {
		unix.Kill(child, unix.SIGKILL)
	}
}

// children are the first so many, the oldest first; -1 is all
// (proc_tid_children(5); not every kernel has the file).
func (p process) children(most int) []int {
	pid := strconv.Itoa(p.pid)
	text, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	var children []int
	for child := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(child); err == nil && n > 1 && len(children) != most {
			children = append(children, n)
		}
	}
	return children
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
		if m.root && !m.servesNobody() {
			m.signal(unix.SIGINT)
		}
	}
	return err
}
