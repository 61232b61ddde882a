package postgres

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A postmaster that is killed leaves its lock files behind. PostgreSQL sorts out
// what names a dead process, and refuses every start on what it can't read: a
// file that is empty, since its maker died before it wrote, or that lost its
// content with the machine (CreateLockFile in miscinit.c).

// clearLocks removes lock files that no start would get past. Nothing runs on
// the data directory: a postmaster enters that before it makes its lock file,
// and a file that is there, empty or not, keeps any other from making one.
func (s *Server) clearLocks(ctx context.Context) error {
	lock, err := s.readPidFile()
	if err != nil {
		return err
	}
	if lock.there && lock.pid == 0 {
		s.log.Warn("removing a lock file that names no process: its postmaster died before it wrote it", "file", s.dataPath("postmaster.pid"))
		if err := removeFile(s.dataPath("postmaster.pid")); err != nil {
			return err
		}
	}
	s.awaitSharedMemory(ctx, lock)
	if s.diedEarly() {
		return s.clearSocketLocks(ctx)
	}
	return nil
}

// diedEarly says whether our last start died before it let us in.
func (s *Server) diedEarly() bool {
	s.pmMu.Lock()
	defer s.pmMu.Unlock()
	return s.launch.of != nil && !s.launch.ran && !s.launch.stopped
}

// socketLockAge is how old an empty lock file of a socket must be to be nobody's:
// a server fills it at once.
const socketLockAge = 2 * time.Second

// clearSocketLocks removes empty lock files of our sockets. They are in a
// directory that other servers use as well, so only the age of one tells that it
// isn't being made. To ask for that directory takes a program: it is only done
// after a start that failed.
func (s *Server) clearSocketLocks(ctx context.Context) error {
	_, port, err := splitListen(s.Settings().Listen)
	if err != nil {
		return err
	}
	dirs, err := s.setting(ctx, "unix_socket_directories")
	if err != nil {
		return nil //nolint:nilerr // the start will tell what is wrong with the configuration
	}
	for dir := range strings.SplitSeq(dirs, ",") {
		path := filepath.Join(strings.Trim(strings.TrimSpace(dir), `"`), ".s.PGSQL."+strconv.Itoa(port)+".lock")
		fi, err := os.Lstat(path)
		if err != nil || !fi.Mode().IsRegular() || fi.Size() > 0 || time.Since(fi.ModTime()) < socketLockAge {
			continue
		}
		s.log.Warn("removing an empty lock file: its postmaster died before it wrote it", "file", path)
		if err := os.Remove(path); ignoreNotExist(err) != nil {
			return err
		}
	}
	return nil
}

// sharedMemoryPatience bounds the wait for the memory of a server that died.
const sharedMemoryPatience = 5 * time.Second

// awaitSharedMemory waits until the kernel has let go the shared memory that the
// lock file names: no start gets past it as long as it has users, and a process
// that was killed has it for a moment after it can't be seen any more. Whatever
// can't be told is left to PostgreSQL.
func (s *Server) awaitSharedMemory(ctx context.Context, lock pidFile) {
	ctx, cancel := context.WithTimeout(ctx, sharedMemoryPatience)
	defer cancel()
	for lock.memory != "" && inUse(lock.memory) {
		if sleep(ctx, awaitPause) != nil {
			return
		}
	}
}

// inUse looks a segment up by key and number among System V's (proc(5)).
func inUse(memory string) bool {
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return false
	}
	want := strings.Fields(memory)
	for line := range bytes.Lines(table) {
		// key, shmid, perms, size, cpid, lpid, nattch, ...
		f := strings.Fields(string(line))
		if len(want) == 2 && len(f) > 6 && sameKey(f[0], want[0]) && f[1] == want[1] {
			return f[6] != "0"
		}
	}
	return false
}

// sameKey compares keys, which the kernel prints signed and PostgreSQL doesn't.
func sameKey(kernel, lock string) bool {
	k, errK := strconv.ParseInt(kernel, 10, 64)
	l, errL := strconv.ParseInt(lock, 10, 64)
	return errK == nil && errL == nil && uint32(k) == uint32(l)
}
