package fence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regent-ha/regent/clock"
)

// process is one of /proc's. The pid alone may be another's by the time that it
// is used; with the start time it is not.
type process struct {
	pid    int
	parent int
	start  uint64 // clock ticks since boot
}

var errGone = errors.New("no such process")

// readProcess reads /proc/PID/stat (proc_pid_stat(5)). A zombie is gone: it has
// given back all it had and only waits to be counted.
func readProcess(pid int) (process, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if vanished(err) {
		return process{}, errGone
	}
	if err != nil {
		return process{}, err
	}
	// The name in parentheses may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("/proc/%d/stat reads %q", pid, text)
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' || state == 'x' {
		return process{}, errGone
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return process{pid: pid, parent: parent, start: start}, nil
}

// age is how long it has been running. The kernel counts start times in
// hundredths of a second (USER_HZ) of the clock that counts suspended time.
func (p process) age() time.Duration {
	return clock.System().Now().Sub(clock.Instant(p.start) * clock.Instant(10*time.Millisecond))
}

func (p process) link(name string) string {
	target, _ := os.Readlink("/proc/" + strconv.Itoa(p.pid) + "/" + name)
	return target
}

// executable is the base name of what it runs; empty if it isn't ours to know.
func (p process) executable() string {
	exe := p.link("exe")
	if exe == "" {
		return ""
	}
	return filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
}

// exiting says whether it has given its memory back: it runs no more code of its
// own, although it isn't a zombie yet.
func (p process) exiting() bool {
	_, err := os.Readlink("/proc/" + strconv.Itoa(p.pid) + "/exe")
	if errors.Is(err, unix.EACCES) {
		// Older kernels say this of one that goes meanwhile, too.
		_, err = readProcess(p.pid)
		return errors.Is(err, errGone)
	}
	return vanished(err)
}

// dying says whether it is exiting and was called one of names. Kernel threads
// have no memory either.
func (p process) dying(names []string) bool {
	if p.parent == kthreadd || p.pid == kthreadd || !p.exiting() {
		return false
	}
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/comm")
	return slices.Contains(names, strings.TrimSpace(string(comm)))
}

// kthreadd is the parent of all kernel threads.
const kthreadd = 2

// vanished says whether a file of /proc couldn't be had because its process is
// gone: none of that name, or it went between the look-up and the reading.
func vanished(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// workingDir follows the kernel's own reference: no path is looked up, and a
// directory that was renamed or removed is found. A network file system isn't
// asked.
func (p process) workingDir() (identity, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, "/proc/"+strconv.Itoa(p.pid)+"/cwd", unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	return identity{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}, err == nil
}

// servesNobody says whether it is standalone, or was until it began to end: the
// kernel tells no arguments then.
func (p process) servesNobody() bool { return p.standalone() || p.exiting() }

// standalone says whether it is a postgres that serves nobody: initdb's, the
// single-user mode, or one that prints a setting and ends (PostgreSQL
// documentation, "postgres").
func (p process) standalone() bool {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	args := strings.Split(string(text), "\x00")
	for i, a := range args {
		switch {
		case i == 1 && (a == "--single" || a == "--boot" || a == "--check" || a == "--describe-config"):
			return true
		case i > 0 && strings.HasPrefix(a, "-C"):
			return true
		}
	}
	return false
}

// open returns a pidfd of just this process, or errGone.
func (p process) open() (int, error) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, errGone
	}
	if err != nil {
		return -1, err
	}
	if again, err := readProcess(p.pid); err != nil || again.start != p.start {
		unix.Close(fd)
		return -1, errGone
	}
	return fd, nil
}

// signal sends sig to just this process. Without a descriptor left for a pidfd
// it goes by the pid, compared a moment before.
func (p process) signal(sig unix.Signal) error {
	fd, err := p.open()
	switch {
	case err == nil:
		defer unix.Close(fd)
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
	case !errors.Is(err, errGone):
		if again, rerr := readProcess(p.pid); rerr != nil || again.start != p.start {
			return errGone
		}
		err = unix.Kill(p.pid, sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return errGone
	}
	return err
}

// wait returns when one of ps has ended, or after d.
func wait(ps []process, d time.Duration) {
	var fds []unix.PollFd
	for _, p := range ps {
		if fd, err := p.open(); err == nil {
			fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			defer unix.Close(fd)
		}
	}
	if len(fds) > 0 {
		unix.Poll(fds, int(d.Milliseconds()))
	}
}
