package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SetAside makes room for a new data directory: it renames the one that is there
// to NAME.failed-TIME beside it, together with the targets of its links (pg_wal,
// tablespaces), so that the old server could still be started from there. Only
// with Options.RemoveFailed it removes them. The server must be stopped.
//
// A directory that can't be renamed, as a mount point, is an error, and nothing
// has changed then.
func (s *Server) SetAside(ctx context.Context) error {
	if err := s.setAside(ctx); err != nil {
		return fmt.Errorf("postgres: set the data directory aside: %w", err)
	}
	return nil
}

func (s *Server) setAside(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := os.Lstat(s.opts.DataDir); errors.Is(err, fs.ErrNotExist) {
		return s.markComplete() // killed between the rename and this
	}
	if s.opts.RemoveFailed {
		return s.removeData()
	}
	moved, err := s.renameAside(".failed-" + time.Now().UTC().Format("20060102T150405.000Z"))
	for _, m := range moved {
		s.log.Warn("kept what has to make room under another name; remove it when nobody needs it", "dir", m.from, "kept", m.to)
	}
	return err
}

// removeData removes the data directory's content, as configured.
func (s *Server) removeData() error {
	outside, err := s.outside()
	if err != nil {
		return err
	}
	s.log.Warn("removing the data directory, as configured", "dir", s.opts.DataDir)
	if err := s.markIncomplete(workClone, outside...); err != nil {
		return err
	}
	if err := s.emptyData(); err != nil {
		return err
	}
	return s.markComplete()
}

type move struct{ from, to string }

// renameAside renames the data directory and its links' targets, all or none.
// The directory comes last, and its mark follows it: at no moment there is a
// directory under the old name that looks better than it is.
func (s *Server) renameAside(suffix string) (done []move, err error) {
	if s.isMountPoint() {
		return nil, fmt.Errorf("%s is a mount point, which can't be renamed: move its content away by hand, or let the configuration have it removed", s.opts.DataDir)
	}
	links, err := s.links()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.undo(done, links))
			done = nil
		}
	}()
	for _, l := range links {
		m := move{l.target, l.target + suffix}
		if err := renameNew(m.from, m.to); err != nil {
			return done, fmt.Errorf("%s of the data directory is a link: %w", l.name, err)
		}
		done = append(done, m)
		if err := relink(s.dataPath(l.name), m.to); err != nil {
			return done, err
		}
	}
	m := move{s.opts.DataDir, s.opts.DataDir + suffix}
	if err := renameNew(m.from, m.to); err != nil {
		return done, err
	}
	mark := s.opts.DataDir + incompleteMarker
	if err := os.Rename(mark, m.to+incompleteMarker); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("the mark of an incomplete directory couldn't follow it", "error", err)
	}
	return append(done, m), errors.Join(s.markComplete(), syncDir(filepath.Dir(m.to)))
}

// undo renames the links' targets back.
func (s *Server) undo(done []move, links []link) error {
	var errs []error
	for i := range done {
		errs = append(errs, os.Rename(done[i].to, done[i].from), relink(s.dataPath(links[i].name), done[i].from))
	}
	return errors.Join(errs...)
}

// renameNew renames a directory, never over another.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is there already", to)
	}
	return os.Rename(from, to)
}

func relink(link, target string) error {
	next := link + ".new"
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, link)
}

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

// outside lists what belongs to the data directory's server elsewhere: where
// pg_wal leads, and in each tablespace the folder of its major version.
func (s *Server) outside() ([]string, error) {
	links, err := s.links()
	if err != nil {
		return nil, err
	}
	version, err := os.ReadFile(s.dataPath("PG_VERSION"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var dirs []string
	for _, l := range links {
		if l.name == "pg_wal" {
			dirs = append(dirs, l.target)
			continue
		}
		own, err := filepath.Glob(filepath.Join(l.target, "PG_"+strings.TrimSpace(string(version))+"_*"))
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, own...)
	}
	return dirs, nil
}

// emptyData removes all that the data directory has except dot files and
// lost+found, and all in the directories elsewhere that its mark names. The
// directories themselves stay, since they may be mount points; links aren't
// followed, since they may lead to another server's. It makes the data directory
// if there is none.
func (s *Server) emptyData() error {
	mark, err := s.mark()
	if err != nil {
		return fmt.Errorf("a data directory that isn't marked is never emptied: %w", err)
	}
	if !mark.ours() {
		return fmt.Errorf("a data directory that is marked as %q is never emptied", mark.work)
	}
	for _, dir := range mark.outside {
		if err := removeContent(dir, func(string) bool { return true }); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.opts.DataDir, 0o700); err != nil {
		return err
	}
	return removeContent(s.opts.DataDir, func(name string) bool {
		return !strings.HasPrefix(name, ".") && name != "lost+found" && !strings.HasPrefix(name, insideMarker)
	})
}

func removeContent(dir string, remove func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !remove(e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return syncDir(dir)
}
