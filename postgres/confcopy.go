package postgres

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// keepBaseConf makes the original postgresql.conf our base file, which isn't
// touched again and which the generated file includes. A configuration
// directory that lost it gets the copy in the data directory.
func (s *Server) keepBaseConf() error {
	base := s.confPath(s.opts.ConfigBaseName + ".base.conf")
	if _, err := os.Stat(base); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	main, err := os.ReadFile(s.mainConf())
	if ignoreNotExist(err) != nil {
		return err
	}
	if err == nil && !s.isGenerated(main) {
		if err := os.Rename(s.mainConf(), base); err != nil {
			return err
		}
		return syncDir(s.configDir())
	}
	for _, name := range s.copied() {
		if err := s.restoreCopy(name); err != nil {
			return err
		}
	}
	if _, err := os.Stat(base); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(base, []byte("# There was no configuration file to begin with.\n"), s.confMode())
}

// isGenerated says whether a postgresql.conf was written by us, or by an agent
// of the same layout, and so is nobody's original.
func (s *Server) isGenerated(content []byte) bool {
	return bytes.HasPrefix(content, []byte(confHeader)) ||
		bytes.Contains(content, []byte("overwritten by Patroni")) ||
		bytes.Contains(content, []byte("include "+confQuote(s.opts.ConfigBaseName+".base.conf")))
}

// copied are the configuration files that have copies in the data directory,
// for a clone whose configuration directory lies elsewhere.
func (s *Server) copied() []string {
	base := s.opts.ConfigBaseName
	return []string{base + ".conf", base + ".base.conf", "pg_hba.conf", "pg_ident.conf"}
}

func (s *Server) restoreCopy(name string) error {
	if _, err := os.Stat(s.confPath(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content, err := os.ReadFile(s.dataPath(name + ".backup"))
	if err != nil {
		return ignoreNotExist(err)
	}
	return writeFile(s.confPath(name), content, s.confMode())
}

// copyConfig refreshes the copies.
func (s *Server) copyConfig() error {
	for _, name := range s.copied() {
		content, err := os.ReadFile(s.confPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = updateFile(s.dataPath(name+".backup"), content, s.fileMode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
