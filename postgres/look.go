package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// look is what the files and processes of a data directory tell.
type look struct {
	data      DataState
	pm        *postmaster // nil: none runs
	lock      pidFile
	standby   bool
	backup    bool // backup_label is there
	control   *Control
	version   int // the directory's major version; 0: unknown
	leftovers int // processes of a postmaster that died
	problems  []string
	full      string // says which disk is full
}

// flight is a look under way.
type flight struct {
	look look
	done chan struct{} // closed when look is there
}

// errDirectoryHangs: a file system that doesn't answer can't be interrupted.
var errDirectoryHangs = errors.New("the file system of the data directory doesn't answer")

// lookAround looks at files and processes, which may hang with their disk: then
// it returns an error when ctx ends, and the next call waits for the same look.
func (s *Server) lookAround(ctx context.Context) (look, error) {
	s.lookMu.Lock()
	f := s.looking
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.looking = f
		s.looks.Go(func() {
			f.look = s.lookNow()
			s.lookMu.Lock()
			s.looking = nil
			s.lookMu.Unlock()
			close(f.done)
		})
	}
	s.lookMu.Unlock()
	select {
	case <-f.done:
		return f.look, nil
	case <-ctx.Done():
		return look{}, errDirectoryHangs
	}
}

func (s *Server) lookNow() look {
	var l look
	var err error
	if l.data, err = s.dataState(); err != nil {
		l.problems = append(l.problems, oneLine(err))
	}
	if l.pm, err = s.running(); err != nil {
		l.problems = append(l.problems, "look for the postmaster: "+oneLine(err))
	}
	if l.lock, err = s.readPidFile(); err != nil {
		l.problems = append(l.problems, oneLine(err))
	}
	if l.data != DataValid && l.pm == nil {
		return l
	}
	if l.pm != nil {
		if err := s.rotateLog(logAtMost, true); err != nil {
			l.problems = append(l.problems, "the log file: "+oneLine(err))
		}
	}
	l.version, _ = s.majorVersion()
	for _, name := range []string{"standby.signal", "recovery.signal"} {
		if _, err := os.Stat(s.dataPath(name)); err == nil {
			l.standby = true
		}
	}
	_, err = os.Stat(s.dataPath("backup_label"))
	l.backup = err == nil
	// It may take pg_controldata, which needs a bound of its own.
	ctx, cancel := context.WithTimeout(s.life, 2*time.Second)
	defer cancel()
	if l.control, err = s.readControl(ctx); err != nil {
		l.problems = append(l.problems, strings.TrimPrefix(oneLine(err), "postgres: "))
	}
	l.full = s.fullDisks(l.control)
	if l.pm == nil {
		if left, err := s.serverProcesses(); err == nil && len(left) > 0 {
			l.leftovers = len(left)
			l.problems = append(l.problems, fmt.Sprintf("%d processes of a postmaster that died still run", len(left)))
		}
	}
	return l
}
