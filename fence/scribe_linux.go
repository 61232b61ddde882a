package fence

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// scribe writes to disks beside the loop. One that hangs delays nothing but its
// own next write.
type scribe struct {
	settings
	log *slog.Logger

	mu      sync.Mutex
	next    *Latch
	writing bool
	marking bool
}

func newScribe(s settings, log *slog.Logger) *scribe {
	return &scribe{settings: s, log: log}
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
		}
	}
}

// standbySignal makes whoever starts the directory next a standby.
func (s *scribe) standbySignal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marking {
		return
	}
	s.marking = true
	go func() {
		if err := s.mark(); err != nil {
			s.log.Error("standby.signal can't be written", "error", err)
		}
		s.mu.Lock()
		s.marking = false
		s.mu.Unlock()
	}()
}

// mark leaves what is no data directory alone: an empty one is to stay empty.
func (s *scribe) mark() error {
	if _, err := os.Stat(filepath.Join(s.DataDir, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(s.DataDir, "standby.signal"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), f.Close())
	dir, derr := os.Open(s.DataDir)
	if derr != nil {
		return errors.Join(err, derr)
	}
	return errors.Join(err, dir.Sync(), dir.Close())
}
