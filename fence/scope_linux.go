package fence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// scope finds the processes that a guard answers for: its children and what
// became of them, and every postgres of the same user in the data directory.
//
// What a postgres runs that is no postgres itself (archive_command, COPY TO
// PROGRAM) is none of them; it is left to finish.
type scope struct {
	guard int // our pid

	mu    sync.Mutex
	dirs  []identity // the data directory, as what it is and was
	names []string   // of postgres executables
}

// member is a process in the scope.
type member struct {
	process
	root     bool // nothing above it is in the scope: a postmaster, or to become one
	postgres bool
}

func newScope(guard int) *scope {
	return &scope{guard: guard, names: []string{"postgres", "edb-postgres"}}
}

// include makes the directory one that is watched from now on. The last few stay:
// one that was set aside may still have a process in it.
func (s *scope) include(dir identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.dirs, dir) {
		s.dirs = append(s.dirs[max(0, len(s.dirs)-7):], dir)
	}
}

// learn takes the name that an installation gave to its postgres. Only names
// that say so are taken: the path may be a shell's.
func (s *scope) learn(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if name := filepath.Base(path); strings.Contains(name, "postgres") && !slices.Contains(s.names, name) {
		s.names = append(s.names, name)
	}
}

// find returns the processes in the scope. An error means that there may be more.
func (s *scope) find() ([]member, error) {
	members, _, err := s.look()
	return members, err
}

// look returns those, and every postgres of whatever directory that is dying: it
// runs no more code of its own, and the kernel is taking back what it had.
func (s *scope) look() (_ []member, dying []process, _ error) {
	all, err := processes()
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	dirs, names := slices.Clone(s.dirs), slices.Clone(s.names)
	s.mu.Unlock()

	found := map[int]*member{}
	executables := map[int]bool{} // whether it is postgres
	isPostgres := func(p process) bool {
		is, known := executables[p.pid]
		if !known {
			is = slices.Contains(names, p.executable())
			executables[p.pid] = is
		}
		return is
	}
	for _, p := range all {
		ours, under := s.descent(p, all, isPostgres)
		pg := isPostgres(p)
		switch {
		case p.dying(names):
			dying = append(dying, p)
			continue
		case ours && !pg && p.exiting():
			continue
		case ours && (pg || !under):
		case pg && inOneOf(dirs, p):
		default:
			continue
		}
		found[p.pid] = &member{process: p, postgres: pg}
	}
	return roots(found), dying, nil
}

// descent says whether p descends from the guard, and whether a postgres is in
// between.
func (s *scope) descent(p process, all map[int]process, isPostgres func(process) bool) (ours, underPostgres bool) {
	for range len(all) {
		if p.parent == s.guard {
			return true, underPostgres
		}
		up, ok := all[p.parent]
		if !ok {
			return false, false
		}
		underPostgres = underPostgres || isPostgres(up)
		p = up
	}
	return false, false
}

func inOneOf(dirs []identity, p process) bool {
	dir, ok := p.workingDir()
	return ok && slices.Contains(dirs, dir)
}

func roots(found map[int]*member) []member {
	out := make([]member, 0, len(found))
	for _, m := range found {
		m.root = found[m.parent] == nil
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b member) int { return a.pid - b.pid })
	return out
}

// processes reads all of /proc that is not dead.
func processes() (map[int]process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	all := make(map[int]process, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		switch {
		case errors.Is(err, errGone) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		case err != nil:
			return nil, fmt.Errorf("list the processes: %w", err)
		default:
			all[pid] = p
		}
	}
	return all, nil
}
