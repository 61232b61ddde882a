package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// incompleteMarker is appended to the data directory's path: the file of that
// name, beside the directory, says that it isn't good yet. It is there from
// before initdb, a clone or a rewind writes its first byte until the last one is
// on disk. It lies outside since initdb and pg_basebackup want an empty
// directory and pg_rewind removes what its source lacks.
const incompleteMarker = ".incomplete"

// markIncomplete marks the data directory and says what is about to be done. The
// mark is on disk when it returns.
func (s *Server) markIncomplete(what string) error {
	path := s.opts.DataDir + incompleteMarker
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := writeFile(path, []byte(what+"\n"), 0o600); err != nil {
		return fmt.Errorf("mark the data directory as incomplete (the folder that it lies in must be writable): %w", err)
	}
	return nil
}

// markComplete takes the mark away.
func (s *Server) markComplete() error {
	path := s.opts.DataDir + incompleteMarker
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// dataState looks at what the data directory holds. The error says why it can't.
func (s *Server) dataState() (DataState, error) {
	_, err := os.Lstat(s.opts.DataDir + incompleteMarker)
	if err == nil {
		return DataIncomplete, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return DataUnknown, err
	}
	entries, err := os.ReadDir(s.opts.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return DataEmpty, nil
	case err != nil:
		return DataUnknown, err
	}
	seen := make(map[string]bool, len(entries))
	empty := true
	for _, e := range entries {
		seen[e.Name()] = true
		if !strings.HasPrefix(e.Name(), ".") && e.Name() != "lost+found" {
			empty = false
		}
	}
	switch {
	case empty:
		return DataEmpty, nil
	case !seen["PG_VERSION"]:
		return DataForeign, nil
	}
	// pg_basebackup copies the control file last.
	_, err = os.Stat(filepath.Join(s.opts.DataDir, "global", "pg_control"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return DataIncomplete, nil
	case err != nil:
		return DataUnknown, err
	}
	return DataValid, nil
}

// fileMode is that of files in the data directory: readable by its group if the
// directory itself is (PostgreSQL documentation, "initdb", --allow-group-access).
func (s *Server) fileMode() os.FileMode {
	if fi, err := os.Stat(s.opts.DataDir); err == nil && fi.Mode().Perm()&0o040 != 0 {
		return 0o640
	}
	return 0o600
}

func (s *Server) dataPath(name string) string { return filepath.Join(s.opts.DataDir, name) }
