package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// besideLock is the end of the lock file's name that lies beside a data directory.
const besideLock = ".lock"

// lockBeside locks a file beside the data directory, which every agent of it finds,
// whatever its run directory: there it stays while the data directory is set aside and
// made anew. A folder that we can't write to, or a file system without locks, gives none.
func lockBeside(dataDir string, log *slog.Logger) (*os.File, error) {
	resolved, err := resolve(dataDir)
	if err != nil {
		return nil, err
	}
	path := resolved + besideLock
	f, err := lockFile(path)
	_, statErr := os.Lstat(path)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrPermission) && statErr == nil:
		return nil, fmt.Errorf("the lock file %s is another user's: %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS), noLocks(err):
		log.Warn("no lock beside the data directory keeps other agents away from it", "path", path, "reason", err)
		return nil, nil
	}
	return nil, err
}

// noLocks says whether a file system has no locks.
func noLocks(err error) bool {
	return errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EBADF)
}

// insideLock holds the file PG_VERSION of the data directory, which a directory has under
// all of its names (in a container it is a mount point, and what is beside isn't shared).
// pg_rewind leaves that file alone, a copy makes another one: see Lock.Follow.
type insideLock struct {
	path string
	log  *slog.Logger
	mu   sync.Mutex
	id   identity
	held *os.File
	said bool
}

// follow locks the file that is there now. One that isn't there is locked later.
func (l *insideLock) follow() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, err := identify(l.path)
	if err != nil || l.held != nil && id == l.id {
		return nil //nolint:nilerr // what isn't there can't be another agent's
	}
	f, err := os.OpenFile(l.path, os.O_RDWR, 0) // NFS locks only what can be written
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		f, err = os.Open(l.path)
	}
	if err != nil {
		return l.none(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return l.none(err)
		}
		if pid := lockHolder(f); pid > 0 {
			return fmt.Errorf("the process with pid %d holds it (%s)", pid, l.path)
		}
		return fmt.Errorf("another process holds it (%s)", l.path)
	}
	if l.held != nil {
		l.held.Close()
	}
	l.held, l.id = f, id
	return nil
}

// none says once that there is no lock.
func (l *insideLock) none(err error) error {
	if !l.said {
		l.log.Warn("no lock inside the data directory keeps other agents away from it", "path", l.path, "reason", err)
	}
	l.said = true
	return nil
}

func (l *insideLock) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	err := l.held.Close()
	l.held = nil
	return err
}

func newInsideLock(dataDir string, log *slog.Logger) *insideLock {
	return &insideLock{path: filepath.Join(dataDir, "PG_VERSION"), log: log}
}
