package postgres

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// postmaster is the running server of the data directory, our child or not.
type postmaster struct {
	*process
	gone       chan struct{} // closed when it died
	timeline   Timeline      // the highest that it was seen on in recovery
	timelineAt LSN           // what was replayed when it was asked last
	loaded     time.Time     // when it last read its configuration, as far as pending knows
	pending    map[string]Change
	raised     map[string]Change // see composed
}

func (p *postmaster) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return p.process.dead()
	}
}

// Exited gets a hint each time the postmaster's end was noticed, which is at
// once, whether the postmaster is our child or was adopted.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// running returns the postmaster of the data directory, adopting one that was
// started by somebody else; nil: there is none.
func (s *Server) running() (*postmaster, error) {
	if pm := s.known(); pm != nil {
		return pm, nil
	}
	s.findMu.Lock()
	defer s.findMu.Unlock()
	if pm := s.known(); pm != nil { // launched or found in the meantime
		return pm, nil
	}
	proc, err := s.findPostmaster()
	if proc == nil || err != nil {
		return nil, err
	}
	return s.adopt(proc, nil), nil
}

// known is the postmaster that we watch, if it lives. It needs no file.
func (s *Server) known() *postmaster {
	s.pmMu.Lock()
	defer s.pmMu.Unlock()
	if s.pm == nil || s.pm.dead() {
		return nil
	}
	return s.pm
}

// adopt watches a postmaster from now on. s.findMu is held.
func (s *Server) adopt(proc *process, raised map[string]Change) *postmaster {
	pm := &postmaster{process: proc, gone: make(chan struct{}), raised: raised}
	s.pmMu.Lock()
	s.pm = pm
	s.pmMu.Unlock()
	s.watchers.Go(func() {
		defer proc.close()
		if proc.wait() != nil {
			return // Close
		}
		close(pm.gone)
		s.hintExit()
	})
	return pm
}

func (s *Server) hintExit() {
	select {
	case s.exited <- struct{}{}:
	default:
	}
}

// findPostmaster looks for a running server: by its lock file, whose number may
// be another process's by now, and else among all processes, since a lock file
// may have been removed or not be there yet.
func (s *Server) findPostmaster() (*process, error) {
	lock, err := s.readPidFile()
	if err != nil {
		return nil, err
	}
	dir, err := inodeOf(s.opts.DataDir)
	if err != nil {
		return nil, ignoreNotExist(err)
	}
	if proc, err := s.openServer(lock.process(), dir); proc != nil || err != nil {
		return proc, err
	}
	return s.findUnlocked(dir)
}

// findUnlocked looks for a postmaster without a lock file among all processes. A
// backend that waits for its client's first message still has the title that it
// inherited, so it isn't enough to be called like one: a postmaster has children,
// or is about to write its lock file. What stays unclear is left over from one
// that died.
func (s *Server) findUnlocked(dir inode) (*process, error) {
	for deadline := time.Now().Add(unclearPatience); ; time.Sleep(awaitPause) {
		all, err := s.serverProcesses()
		if err != nil {
			return nil, err
		}
		lock, err := s.readPidFile()
		if err != nil {
			return nil, err
		}
		parents := make(map[int]bool)
		for _, pid := range all {
			parents[parent(pid)] = true
		}
		unclear := false
		for _, pid := range all {
			if t := title(pid); t == "" || isChildTitle(t) {
				continue
			}
			unclear = true
			if pid == lock.pid || parents[pid] {
				return s.openServer(pid, dir)
			}
		}
		if !unclear || time.Now().After(deadline) {
			return nil, nil
		}
	}
}

// unclearPatience is how long a process may look like a postmaster without being one.
const unclearPatience = 100 * time.Millisecond

// openServer returns a handle on pid if it is a living process of the server in
// dir; else nil.
func (s *Server) openServer(pid int, dir inode) (*process, error) {
	proc, err := openProcess(pid)
	if err != nil {
		return nil, ignoreDone(err)
	}
	// Only what is seen while the handle's process lives is about that process.
	if !isServer(pid, dir, s.serverNames()) || proc.dead() {
		proc.close()
		return nil, nil
	}
	return proc, nil
}

// serverProcesses lists every process of the data directory's server: those of
// its owner that work in it and whose executable is PostgreSQL's. Shells,
// archive commands and backup tools are none.
func (s *Server) serverProcesses() ([]int, error) {
	dir, err := inodeOf(s.opts.DataDir)
	if err != nil {
		return nil, ignoreNotExist(err)
	}
	uid, err := owner(s.opts.DataDir)
	if err != nil {
		return nil, ignoreNotExist(err)
	}
	all, err := pids(uid)
	if err != nil {
		return nil, err
	}
	names := s.serverNames()
	return slices.DeleteFunc(all, func(pid int) bool { return !isServer(pid, dir, names) }), nil
}

func (s *Server) serverNames() []string {
	return []string{"postgres", "postmaster", filepath.Base(s.program("postgres"))}
}

// isChildTitle says whether a command line is that of a postmaster's child,
// which overwrites what it inherited with "postgres: " and what it does.
func isChildTitle(title string) bool { return strings.HasPrefix(title, "postgres: ") }

// childTitled returns a handle on a child whose title has part; nil: there is
// none.
func (s *Server) childTitled(part string) (*process, error) {
	dir, err := inodeOf(s.opts.DataDir)
	if err != nil {
		return nil, err
	}
	all, err := s.serverProcesses()
	if err != nil {
		return nil, err
	}
	for _, pid := range all {
		if t := title(pid); isChildTitle(t) && strings.Contains(t, part) {
			if proc, err := s.openServer(pid, dir); proc != nil || err != nil {
				return proc, err
			}
		}
	}
	return nil, nil
}
