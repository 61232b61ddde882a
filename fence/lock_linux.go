package fence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock is held by the one agent of a data directory for as long as it lives.
type Lock struct {
	files  []*os.File
	inside *insideLock
}

// LockDataDir makes the caller the data directory's only agent, or says which
// process is. The lock ends with Close or with the process, also when that is
// killed; a frozen process keeps it.
//
// Whoever runs the other agent and wherever its run directory is, it is kept away by two
// locks: of a file beside the data directory (DataDir with ".lock" after it), which holds
// while that is set aside and made anew, and of the file PG_VERSION in it, which holds
// where what is beside isn't shared. A file system that has no locks, or a folder that we
// can't write to, gives none: a warning says so.
//
// Two more are in the run directory, for agents with the same one. One goes by the
// folder that the data directory lies in and its name there, the other by device and
// inode of the data directory itself, if that is there: names that differ beyond symbolic
// links (bind mounts) lead to one inode.
func LockDataDir(o Options) (*Lock, error) {
	o = o.withDefaults()
	p, err := o.place()
	if err != nil {
		return nil, err
	}
	l := &Lock{inside: newInsideLock(o.DataDir, o.Logger)}
	err = l.take(o, p)
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// take takes all locks. Before the first two nothing is touched.
func (l *Lock) take(o Options, p place) error {
	notOurs := func(err error) error {
		return fmt.Errorf("fence: the data directory %s can't be ours: %w", o.DataDir, err)
	}
	beside, err := lockBeside(o.DataDir, o.Logger)
	if err != nil {
		return notOurs(err)
	}
	if beside != nil {
		l.files = append(l.files, beside)
	}
	if err := l.inside.follow(); err != nil {
		return notOurs(err)
	}
	if err := p.make(); err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	paths := []string{filepath.Join(string(p), "agent.lock")}
	if id, err := identify(o.DataDir); err == nil {
		name := strings.ReplaceAll(id.String(), ":", "-") + ".lock"
		paths = append(paths, filepath.Join(filepath.Dir(string(p)), name))
	}
	for _, path := range paths {
		f, err := lockFile(path)
		if err != nil {
			return notOurs(err)
		}
		l.files = append(l.files, f)
	}
	return nil
}

// Follow takes the lock inside the data directory again where that was made anew. It
// costs little and is for every now and then. An error says that another agent has that.
func (l *Lock) Follow() error {
	if err := l.inside.follow(); err != nil {
		return fmt.Errorf("fence: lock the data directory, which was made anew: %w", err)
	}
	return nil
}

// Close gives the data directory up.
func (l *Lock) Close() error {
	errs := []error{l.inside.close()}
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}

// lockFile locks the file and writes our pid in it. The file is never removed:
// another could lock a file of the same name then.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		var pid int
		if n, _ := fmt.Fscan(f, &pid); n == 1 {
			return nil, fmt.Errorf("the process with pid %d holds it (%s)", pid, path)
		}
		return nil, fmt.Errorf("another process holds it (%s)", path)
	}
	err = errors.Join(f.Truncate(0))
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write our pid to %s: %w", path, err)
	}
	return f, nil
}

var errHeld = errors.New("another guard holds")

// lockDir locks a directory itself, for the guard. It keeps systemd-tmpfiles
// away from the run directory, and on the data directory it is seen by guards
// with another run directory. A file system that locks no directories (NFS)
// gives no lock and no error.
func lockDir(path string) (*os.File, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer d.Close()
		if pid := lockHolder(d); pid > 0 {
			return nil, fmt.Errorf("%w %s: pid %d", errHeld, path, pid)
		}
		return nil, fmt.Errorf("%w %s", errHeld, path)
	}
	return d, nil
}

// lockHolder is who has the lock on the file (proc_locks(5)), 0 if that can't be
// told: on overlays the kernel knows it as another file.
func lockHolder(f *os.File) (pid int) {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	text, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "FLOCK" && fields[5] == file {
			pid, _ = strconv.Atoi(fields[4])
		}
	}
	return pid
}
