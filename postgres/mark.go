package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// What the mark of an incomplete directory says was under way.
const (
	workBootstrap = "bootstrap"
	workClone     = "clone"   // the directory was empty before: what is in it is ours to remove
	workCommand   = "command" // the same, and a command of our user's fills it
	workRewind    = "rewind"  // it is what is left of somebody's data
)

// incompleteMarker is appended to the data directory's path: the file of that
// name, beside the directory, says that it isn't good yet. It is there from
// before initdb, a clone or a rewind writes its first byte until the last one is
// on disk. It lies outside since initdb and pg_basebackup want an empty
// directory and pg_rewind removes what its source lacks.
const incompleteMarker = ".incomplete"

// insideMarker begins the name of the mark that a directory has inside, with
// what was under way after it, where the one beside it may not last as long as
// the directory: the data of a container is a mount point, and what lies beside
// that is gone with the container. It is a named pipe: pg_rewind knows files,
// directories and links only, and leaves anything else alone.
const insideMarker = "regent.incomplete."

// mark is the content of the mark beside an incomplete directory: what was under
// way and, a line each, the directories elsewhere that belong to it.
type mark struct {
	work    string
	outside []string
}

// ours says whether the directory has nothing that was there before.
func (m mark) ours() bool { return m.work == workClone || m.work == workCommand }

// markIncomplete marks the data directory and says what is about to be done. The
// mark is on disk when it returns.
func (s *Server) markIncomplete(work string, outside ...string) error {
	path := s.opts.DataDir + incompleteMarker
	content := strings.Join(append([]string{work}, outside...), "\n") + "\n"
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeFile(path, []byte(content), 0o600)
	}
	if err == nil && !otherDevice(s.opts.DataDir) {
		return nil
	}
	if work == workClone || work == workRewind { // others want the directory empty
		if errInside := s.markInside(work); errInside == nil {
			return nil
		} else if err == nil && work == workRewind {
			err = errInside
		}
	}
	if err != nil {
		return fmt.Errorf("mark the data directory as incomplete (the folder that it lies in must be writable): %w", err)
	}
	return nil
}

func (s *Server) markInside(work string) error {
	if err := s.makeDataDir(); err != nil {
		return err
	}
	if err := syscall.Mkfifo(s.dataPath(insideMarker+work), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return &os.PathError{Op: "mkfifo", Path: s.dataPath(insideMarker + work), Err: err}
	}
	return syncDir(s.opts.DataDir)
}

// markComplete takes the marks away.
func (s *Server) markComplete() error {
	for _, work := range []string{workClone, workRewind} {
		if err := removeFile(s.dataPath(insideMarker + work)); err != nil {
			return err
		}
	}
	return removeFile(s.opts.DataDir + incompleteMarker)
}

// marked says whether the data directory is marked as incomplete.
func (s *Server) marked() (bool, error) {
	_, err := s.mark()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// mark reads the mark. errors.Is finds fs.ErrNotExist where there is none.
func (s *Server) mark() (mark, error) {
	content, err := os.ReadFile(s.opts.DataDir + incompleteMarker)
	if err == nil {
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		return mark{work: lines[0], outside: lines[1:]}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return mark{}, err
	}
	for _, work := range []string{workRewind, workClone} {
		_, errInside := os.Lstat(s.dataPath(insideMarker + work))
		if errInside == nil {
			return mark{work: work}, nil
		}
		if ignoreNotExist(errInside) != nil {
			return mark{}, errInside
		}
	}
	return mark{}, err
}
