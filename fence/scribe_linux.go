package fence

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// scribe writes to disks beside the loop. One that hangs delays nothing but its
// own next write.
type scribe struct {
	settings
	log *slog.Logger

	mu      sync.Mutex
	next    *Latch
	writing bool
	latched bool // a latch is on disk, unless somebody removed it
	mark    bool // standby.signal is to be written
	marking bool
}

func newScribe(s settings, log *slog.Logger) *scribe {
	return &scribe{settings: s, log: log, latched: !missing(s.Place.latch())}
}

// latch writes the latest latch that it was given.
func (s *scribe) latch(l Latch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = &l
	if !s.writing {
		s.writing = true
		go s.writeLatches()
	}
}

func (s *scribe) writeLatches() {
	for {
		s.mu.Lock()
		l := s.next
		s.next = nil
		if l == nil {
			s.writing = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := l.write(s.Place.latch()); err != nil {
			s.log.Error("the latch isn't on disk: the next guard won't know of it", "error", err)
			continue
		}
		s.mu.Lock()
		s.latched = true
		s.mu.Unlock()
	}
}

// latchGone says whether a latch that was on disk isn't there.
func (s *scribe) latchGone() bool {
	s.mu.Lock()
	expected := s.latched && !s.writing
	s.mu.Unlock()
	return expected && missing(s.Place.latch())
}

// standbySignal makes whoever starts the directory next a standby.
func (s *scribe) standbySignal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark = true
	if !s.marking {
		s.marking = true
		go s.writeMarks()
	}
}

func (s *scribe) writeMarks() {
	for {
		s.mu.Lock()
		if !s.mark {
			s.marking = false
			s.mu.Unlock()
			return
		}
		s.mark = false
		s.mu.Unlock()
		if err := s.forbidPromotion(); err != nil {
			s.log.Error("standby.signal can't be written", "error", err)
		}
	}
}

// forbidPromotion makes standby.signal a directory. PostgreSQL only asks whether there is
// something of that name when it starts, and removes it as a file at the end of
// recovery, before the first write: a server that is started and then promoted by
// hand ends with an error instead (readRecoverySignalFile and StartupXLOG in
// xlog.c; exitArchiveRecovery before version 15). Package postgres puts a file in
// its place.
//
// What is no data directory is left alone: an empty one is to stay empty.
func (s *scribe) forbidPromotion() error {
	if _, err := os.Stat(filepath.Join(s.DataDir, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	signal := filepath.Join(s.DataDir, "standby.signal")
	if there, err := os.Lstat(signal); err == nil && there.IsDir() {
		return nil
	}
	// At no moment there is nothing of that name.
	fresh := filepath.Join(s.DataDir, ".standby.signal.fence")
	os.Remove(fresh) // of a guard that was killed here
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, signal, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		err = os.Remove(fresh)
	case errors.Is(err, unix.ENOENT):
		err = os.Rename(fresh, signal)
	default: // not every file system can
		err = errors.Join(os.Remove(signal), os.Rename(fresh, signal))
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(s.DataDir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
