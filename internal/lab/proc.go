package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// markVariable marks the environment of what the lab starts itself. Guards and
// PostgreSQL get an environment of their own and are found by what they work on.
const markVariable = "REGENT_LAB"

// running is one process as /proc shows it.
type running struct {
	pid  int
	exe  string // path of its program
	cwd  string
	args []string
	mark string // value of markVariable
}

// processes are those of our user that work on dir: they have it in their
// arguments or stand in it, and their program is one of programs (a path of it,
// or of the folder that it lies in), or they carry our mark.
func processes(dir string, programs []string) []running {
	entries, _ := os.ReadDir("/proc")
	var found []running
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if r, ok := look(pid); ok && r.args[0] != watcherName && r.worksOn(dir) && (r.runs(programs) || r.mark != "") {
			found = append(found, r)
		}
	}
	return found
}

func look(pid int) (running, bool) {
	proc := "/proc/" + strconv.Itoa(pid)
	info, err := os.Stat(proc)
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return running{}, false
	}
	r := running{pid: pid}
	r.exe, err = os.Readlink(proc + "/exe")
	if err != nil {
		return r, false // a zombie, or a kernel thread
	}
	r.exe = strings.TrimSuffix(r.exe, " (deleted)")
	r.cwd, _ = os.Readlink(proc + "/cwd")
	r.args = zeroSeparated(proc + "/cmdline")
	for _, v := range zeroSeparated(proc + "/environ") {
		if name, value, _ := strings.Cut(v, "="); name == markVariable {
			r.mark = value
		}
	}
	return r, true
}

func zeroSeparated(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
}

func (r running) worksOn(dir string) bool {
	return within(r.cwd, dir) || slices.ContainsFunc(r.args, func(a string) bool {
		// Also as --option=path and as part of a connection string.
		_, path, _ := strings.Cut(a, "=")
		return within(a, dir) || within(path, dir)
	})
}

func (r running) runs(programs []string) bool {
	return slices.ContainsFunc(programs, func(p string) bool {
		return r.exe == p || filepath.Dir(r.exe) == p
	})
}

func (r running) isPostgres() bool { return filepath.Base(r.exe) == "postgres" }

// signal sends to exactly this process: its number may have become another's.
func (r running) signal(s syscall.Signal) {
	p, err := os.FindProcess(r.pid) // holds it by pidfd
	if err != nil {
		return
	}
	defer p.Release()
	if now, ok := look(r.pid); ok && now.exe == r.exe && now.cwd == r.cwd {
		p.Signal(s)
	}
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// realPath is what /proc shows for a program or a folder.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}
