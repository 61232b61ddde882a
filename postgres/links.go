package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// link is a symbolic link of the data directory to a directory of the server's
// elsewhere.
type link struct{ name, target string }

// links lists pg_wal and the tablespaces where they are links, dangling ones
// left out.
func (s *Server) links() ([]link, error) {
	names := []string{"pg_wal"}
	spaces, err := os.ReadDir(s.dataPath("pg_tblspc"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range spaces {
		names = append(names, filepath.Join("pg_tblspc", e.Name()))
	}
	var found []link
	for _, name := range names {
		target, err := os.Readlink(s.dataPath(name))
		if err != nil {
			continue // not there, or a directory
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(s.dataPath(name)), target)
		}
		if fi, err := os.Stat(target); err == nil && fi.IsDir() {
			found = append(found, link{name, target})
		}
	}
	return found, nil
}

// ownLinks makes sure that where the links lead there is nothing but our
// server's. Servers of several major versions may have a tablespace in one
// directory (PostgreSQL documentation, "pg_upgrade").
func (s *Server) ownLinks(links []link) error {
	folder, err := s.versionFolder()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.name == "pg_wal" {
			continue
		}
		entries, err := os.ReadDir(l.target)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), folder) {
				return fmt.Errorf("the directory of a tablespace has %s, which isn't this server's: move the data directory away by hand, or let the configuration have it removed", filepath.Join(l.target, e.Name()))
			}
		}
	}
	return nil
}

// versionFolder begins the name of our folder in the directory of a tablespace.
func (s *Server) versionFolder() (string, error) {
	version, err := os.ReadFile(s.dataPath("PG_VERSION"))
	return "PG_" + strings.TrimSpace(string(version)) + "_", ignoreNotExist(err)
}

// outside lists what belongs to the data directory's server elsewhere: where
// pg_wal leads, and in each tablespace the folder of its major version.
func (s *Server) outside() ([]string, error) {
	links, err := s.links()
	if err != nil {
		return nil, err
	}
	folder, err := s.versionFolder()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, l := range links {
		if l.name == "pg_wal" {
			dirs = append(dirs, l.target)
			continue
		}
		own, err := filepath.Glob(filepath.Join(l.target, folder+"*"))
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, own...)
	}
	return dirs, nil
}
