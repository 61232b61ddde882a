package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a handle on one process, which can't become another's when the
// number is used again (pidfd_open(2)).
type process struct {
	pid int
	fd  *os.File
}

// openProcess returns a handle on pid, or os.ErrProcessDone if there is none.
func openProcess(pid int) (*process, error) {
	if pid <= 0 {
		return nil, os.ErrProcessDone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the file wouldn't be polled
		unix.Close(fd)
		return nil, err
	}
	return &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// dead says whether the process ended; a zombie has.
func (p *process) dead() bool {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return true
	}
	ended := true
	_ = conn.Control(func(fd uintptr) { ended = readable(fd) })
	return ended
}

// wait returns nil when the process ended, or an error when close was called.
// It reaps a child of ours.
func (p *process) wait() error {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	if err := conn.Read(readable); err != nil {
		return err
	}
	_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
	return nil
}

func readable(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}

// signal sends sig, or returns os.ErrProcessDone.
func (p *process) signal(sig syscall.Signal) error {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	var sent error
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err != nil || errors.Is(sent, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return sent
}

func (p *process) close() { _ = p.fd.Close() }

// inode names a directory, whatever its path.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return inode{uint64(st.Dev), st.Ino}, nil
}

// isServer says whether pid runs one of the executables names in the directory
// dir: it is a process of that directory's server. A zombie is none.
func isServer(pid int, dir inode, names []string) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	cwd, err := inodeOf(proc + "/cwd")
	if err != nil || cwd != dir {
		return false
	}
	exe, err := os.Readlink(proc + "/exe")
	if err != nil {
		return false
	}
	base := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	for _, name := range names {
		if base == name {
			return true
		}
	}
	return false
}

// arguments are the command line of pid. A zombie has none.
func arguments(pid int) []string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	return strings.Split(string(line), "\x00")
}

// title is the command line of pid in one, which PostgreSQL's children overwrite
// with what they do. It is empty for a zombie.
func title(pid int) string { return strings.TrimRight(strings.Join(arguments(pid), " "), " ") }

// parent is the process that pid is a child of; 0: unknown.
func parent(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// "pid (name) state parent ...", and the name may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// pids lists the processes of one user.
func pids(uid uint32) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+e.Name(), &st) == nil && st.Uid == uid {
			list = append(list, pid)
		}
	}
	return list, nil
}

// owner is the user whom path belongs to.
func owner(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Uid, nil
}
