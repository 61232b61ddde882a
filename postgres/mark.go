package postgres

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What the mark of an incomplete directory says was under way.
const (
	workBootstrap = "bootstrap"
	workClone     = "clone"   // the directory was empty before: what is in it is ours to remove
	workCopied    = "copied"  // the same, and what was copied is being moved to its place
	workCommand   = "command" // the same, and a command of our user's fills it
	workRewind    = "rewind"  // it is what is left of somebody's data
	workRemove    = "remove"  // the same, and is being removed, as configured
)

// works are all of them; of several marks inside a directory the first counts.
var works = []string{workRewind, workBootstrap, workRemove, workCommand, workCopied, workClone}

// incompleteMarker is appended to the data directory's path: the file of that
// name, beside the directory, says that it isn't good yet. It is there from
// before initdb, a clone or a rewind writes its first byte until the last one is
// on disk. It lies outside since initdb and pg_basebackup want an empty
// directory and pg_rewind removes what its source lacks.
const incompleteMarker = ".incomplete"

// insideMarker begins the name of the mark that a directory has inside, with
// what was under way and which attempt it was after it: see sign. It stands in for
// the mark beside the directory where that may not last as long: the data of a
// container is a mount point, and what lies beside that is gone with the container.
const insideMarker = "regent.incomplete."

// mark says what was under way when a directory was left incomplete: the content
// of the file beside it. Its first line has the work and the attempt, the others
// a directory elsewhere each that was empty and is filled by it.
//
// The path proves nothing about what lies there, since whoever brings a copy back
// puts it there: remainsOf says what does.
type mark struct {
	work    string
	id      string // of the attempt; empty: of a release that gave it none
	outside []string
}

// newMark is that of a new attempt.
func newMark(work string, outside []string) (mark, error) {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return mark{}, err
	}
	return mark{work: work, id: hex.EncodeToString(id), outside: outside}, nil
}

// ours says whether nothing in the directory is anything but the attempt's, or to
// be removed.
func (m mark) ours() bool {
	return m.work == workClone || m.work == workCopied || m.work == workCommand || m.work == workRemove
}

// sign is the name of what a directory has inside that the attempt has begun to
// fill. It is a named pipe: pg_rewind and others know files, directories and links
// only, and leave anything else alone. It has no dot in front, so that whoever
// empties the directory by hand removes it, too.
func (m mark) sign() string {
	name := insideMarker + m.work
	if m.id != "" {
		name += "." + m.id
	}
	return name
}

// isSign says whether name is a sign of the attempt, whatever it was at then.
func (m mark) isSign(name string) bool {
	return m.id != "" && isAnySign(name) && strings.HasSuffix(name, "."+m.id)
}

// isOther says whether name is another sign than the attempt's present one.
func (m mark) isOther(name string) bool { return isAnySign(name) && name != m.sign() }

func isAnySign(name string) bool { return strings.HasPrefix(name, insideMarker) }

// staging is the name of the folder that pg_basebackup writes to.
func (m mark) staging() string { return stagingPrefix + m.id }

func parseMark(line string) mark {
	work, id, _ := strings.Cut(line, " ")
	return mark{work: work, id: id}
}

func (m mark) String() string {
	return strings.Join(append([]string{strings.TrimSpace(m.work + " " + m.id)}, m.outside...), "\n") + "\n"
}

// markIncomplete marks the data directory and says what is about to be done. The
// mark is on disk when it returns.
func (s *Server) markIncomplete(m mark) error {
	path := s.opts.DataDir + incompleteMarker
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeFile(path, []byte(m.String()), 0o600)
	}
	if err == nil && !otherDevice(s.opts.DataDir) {
		return nil
	}
	if m.work != workBootstrap && m.work != workCommand { // which want the directory empty
		if errInside := putSign(s.opts.DataDir, m.sign()); errInside == nil {
			return nil
		} else if err == nil && m.work != workClone {
			err = errInside
		}
	}
	if err != nil {
		return fmt.Errorf("mark the data directory as incomplete (the folder that it lies in must be writable): %w", err)
	}
	return nil
}

// markComplete takes the marks away, also the signs in directories elsewhere.
func (s *Server) markComplete(outside ...string) error {
	m, err := s.mark()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, dir := range outside {
		if err := removeSigns(dir, m.isSign); err != nil {
			return err
		}
	}
	if err := removeSigns(s.opts.DataDir, isAnySign); err != nil {
		return err
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
		m := parseMark(lines[0])
		m.outside = lines[1:]
		return m, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return mark{}, err
	}
	inside, errInside := signs(s.opts.DataDir)
	if errInside != nil {
		return mark{}, errInside
	}
	for _, work := range works {
		for _, name := range inside {
			found, id, _ := strings.Cut(strings.TrimPrefix(name, insideMarker), ".")
			if found == work {
				return mark{work: work, id: id}, nil
			}
		}
	}
	return mark{}, err
}
