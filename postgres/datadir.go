package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataState looks at what the data directory holds. The error says why it can't.
func (s *Server) dataState() (DataState, error) {
	if marked, err := s.marked(); err != nil {
		return DataUnknown, err
	} else if marked {
		return DataIncomplete, nil
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
