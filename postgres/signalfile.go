package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeSignal makes name an empty file: standby.signal or recovery.signal. After
// a fence it is a directory (see package fence), which can't be renamed over: the
// two change places, so that at no moment there is nothing of that name.
func (s *Server) writeSignal(name string) error {
	path := s.dataPath(name)
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !there.IsDir() {
		_, err := updateFile(path, nil, s.fileMode())
		return err
	}
	if err != nil {
		return err
	}
	file := filepath.Join(s.opts.DataDir, "."+name+".new")
	if err := removeFile(file); err != nil { // of one that was killed here
		return err
	}
	if err := writeFile(file, nil, s.fileMode()); err != nil {
		return err
	}
	if err := exchange(file, path); err != nil { // not every file system can
		return errors.Join(os.Remove(path), os.Rename(file, path), syncDir(s.opts.DataDir))
	}
	return errors.Join(os.Remove(file), syncDir(s.opts.DataDir))
}
