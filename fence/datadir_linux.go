package fence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// dataDirLock holds the data directory, as what it is at present.
type dataDirLock struct {
	mu   sync.Mutex
	id   identity
	held *os.File
}

// follow locks the data directory again if it was made anew, and watches it from
// now on. One that isn't there yet is followed later.
func (l *dataDirLock) follow(dir string, s *scope) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if !ownedByUs(st) {
		return fmt.Errorf("the data directory %s belongs to another user than %d: the guard must run as the server does", dir, os.Geteuid())
	}
	id, err := identify(dir)
	if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if id == l.id {
		return nil
	}
	held, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("lock the data directory, which guards with another run directory do too: %w", err)
	}
	if l.held != nil {
		l.held.Close()
	}
	l.held, l.id = held, id
	s.include(id)
	return nil
}

// dataID names the data directory and the database in it: after a fence it comes
// back as a standby, and a new one in its place need not.
func (g *guard) dataID() string {
	id, err := identify(g.DataDir)
	if err != nil {
		return ""
	}
	return id.String() + " " + systemIDOf(g.DataDir, "")
}

// systemIDOf reads the first field of the control file (catalog/pg_control.h:
// ControlFileData begins with system_identifier, in all versions).
func systemIDOf(dataDir, otherwise string) string {
	f, err := os.Open(filepath.Join(dataDir, "global", "pg_control"))
	if err != nil {
		return otherwise
	}
	defer f.Close()
	var id uint64
	if binary.Read(f, binary.NativeEndian, &id) != nil {
		return otherwise
	}
	return strconv.FormatUint(id, 10)
}
