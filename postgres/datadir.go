package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// lostFound is what a file system has in its root, which may be a mount point of
// ours.
const lostFound = "lost+found"

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
		if !strings.HasPrefix(e.Name(), ".") && e.Name() != lostFound {
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

// realDataDir is where the data directory is, or is to be made: the configured
// path may be a link to there.
func (s *Server) realDataDir() string {
	path := s.opts.DataDir
	for range 40 { // as many as the kernel follows
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

func (s *Server) makeDataDir() error { return os.MkdirAll(s.realDataDir(), 0o700) }

// otherDevice says whether the directory at path is on another device than what
// lies beside path: it is a mount point, or behind a link.
func otherDevice(path string) bool {
	dir, err := inodeOf(path)
	parent, errParent := inodeOf(filepath.Dir(path))
	return err == nil && errParent == nil && dir.dev != parent.dev
}

func (s *Server) dataPath(name string) string { return filepath.Join(s.opts.DataDir, name) }
