package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// SetAside makes room for a new data directory: it renames the one that is there
// to NAME.failed-TIME beside it, together with the targets of its links (pg_wal,
// tablespaces), so that the old server could still be started from there. Where
// the data directory itself is a link it is its target that is renamed. Only
// with Options.RemoveFailed it removes them. The server must be stopped.
//
// A directory that can't be renamed, as a mount point or that of a tablespace
// with another server's files, is an error, and nothing has changed then.
func (s *Server) SetAside(ctx context.Context) error {
	if err := s.setAside(ctx, s.opts.RemoveFailed); err != nil {
		return fmt.Errorf("postgres: set the data directory aside: %w", err)
	}
	return nil
}

func (s *Server) setAside(ctx context.Context, remove bool) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := os.Lstat(s.realDataDir()); errors.Is(err, fs.ErrNotExist) {
		return s.markComplete() // killed between the rename and this
	}
	if remove {
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
	a, err := s.begin(workRemove, outside...)
	if err != nil {
		return err
	}
	a.end()
	if err := s.removeOutside(a.mark, outside); err != nil {
		return err
	}
	if err := s.removeRemains(a.mark); err != nil {
		return err
	}
	return s.markComplete()
}

// mostAside is how many incomplete directories are kept at most of attempts that
// can't be told from somebody's copy: they must not fill the disk.
const mostAside = 3

// fewAside is an error if that many are there.
func (s *Server) fewAside() error {
	parent, name := filepath.Split(s.realDataDir())
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(names(entries), func(n string) bool {
		return !strings.HasPrefix(n, name+".failed-") || !strings.HasSuffix(n, incompleteMarker)
	})
	if len(kept) >= mostAside {
		return fmt.Errorf("%d incomplete directories have been set aside already (%s.failed-*), and that is the most: remove those that nobody needs, with the file %s that lies beside each", len(kept), s.realDataDir(), incompleteMarker)
	}
	return nil
}

type move struct{ from, to string }

// renameAside renames the data directory and its links' targets, all or none.
// The directory comes last, and its mark follows it: at no moment there is a
// directory under the old name that looks better than it is.
func (s *Server) renameAside(suffix string) (done []move, err error) {
	dir := s.realDataDir()
	if otherDevice(dir) {
		return nil, fmt.Errorf("%s is a mount point, which can't be renamed: move its content away by hand, or let the configuration have it removed", dir)
	}
	links, err := s.links()
	if err == nil {
		err = s.ownLinks(links)
	}
	if err != nil {
		return nil, err
	}
	done, err = s.renameLinks(links, suffix)
	m := move{dir, dir + suffix}
	if err == nil {
		err = renameNew(m.from, m.to)
	}
	if err != nil {
		return nil, errors.Join(err, s.undo(done, links))
	}
	if err := s.copyMark(m.to); err != nil {
		s.log.Warn("the mark of an incomplete directory couldn't follow it", "error", err)
	}
	if dir != s.opts.DataDir { // leave no link to nothing
		err = s.makeDataDir()
	}
	return append(done, m), errors.Join(err, s.markComplete(), syncDir(filepath.Dir(m.to)))
}

func (s *Server) renameLinks(links []link, suffix string) (done []move, err error) {
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
	return done, nil
}

func (s *Server) copyMark(dir string) error {
	content, err := os.ReadFile(s.opts.DataDir + incompleteMarker)
	if err != nil {
		return ignoreNotExist(err)
	}
	return writeFile(dir+incompleteMarker, content, 0o600)
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

// removeContent removes what a directory has, by name. The directory itself stays,
// since it may be a mount point; links aren't followed.
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
