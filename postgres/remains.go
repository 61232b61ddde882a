package postgres

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// attempt is one try to fill the data directory.
type attempt struct {
	mark
	witnesses []*witness
}

// begin marks the data directory for an attempt, and outside as the directories
// elsewhere that it fills. What is in the directory already is the attempt's, too.
// The caller ends it when nobody writes any more.
func (s *Server) begin(work string, outside ...string) (*attempt, error) {
	m, err := newMark(work, outside)
	if err == nil && (work != workBootstrap || s.realDataDir() != s.opts.DataDir) { // initdb makes a directory, but none behind a link
		err = s.makeDataDir()
	}
	if err != nil {
		return nil, err
	}
	dirs := slices.Clone(outside)
	if work != workClone { // which has a folder of its name, and nothing else
		dirs = append(dirs, s.opts.DataDir)
	}
	// The sign comes first: until the mark is there, the one before counts, whose
	// sign is there, too.
	for _, dir := range dirs {
		if entries, err := os.ReadDir(dir); err == nil && containsData(names(entries)) {
			if err := putSign(dir, m.sign()); err != nil {
				return nil, err
			}
		}
	}
	if err := s.markIncomplete(m); err != nil {
		for _, dir := range dirs {
			err = errors.Join(err, removeFile(filepath.Join(dir, m.sign())))
		}
		return nil, err
	}
	if err := removeSigns(s.opts.DataDir, m.isOther); err != nil {
		return nil, err
	}
	return &attempt{mark: m, witnesses: []*witness{watch(m, dirs)}}, nil
}

// markCopied says that what is in the attempt's folder is whole, and will be moved to
// where it belongs.
func (s *Server) markCopied(a *attempt) error {
	m := a.mark
	m.work = workCopied
	if err := putSign(s.opts.DataDir, m.sign()); err != nil {
		return err
	}
	a.witnesses = append(a.witnesses, watch(m, []string{s.opts.DataDir}))
	if err := s.markIncomplete(m); err != nil {
		return err
	}
	return removeSigns(s.opts.DataDir, m.isOther)
}

// end is called when nobody writes for the attempt any more.
func (a *attempt) end() {
	for _, w := range a.witnesses {
		w.end()
	}
}

// held lists what the data directory holds beside marks. Dot files and lost+found
// don't count.
func (s *Server) held() ([]string, error) {
	entries, err := os.ReadDir(s.opts.DataDir)
	return slices.DeleteFunc(names(entries), func(name string) bool {
		return !containsData([]string{name}) || isAnySign(name)
	}), ignoreNotExist(err)
}

// remainsOf says whether all that the data directory holds is certainly what the
// attempt of m left there. Whoever brings a copy back puts it under the same path,
// perhaps into the same directory, and perhaps without removing the mark: so
// something inside must name the attempt, and nothing may be there that it can't
// have made.
func (s *Server) remainsOf(m mark, held []string) (bool, error) {
	switch {
	case m.id == "":
		return false, nil
	case m.work == workClone:
		return slices.Equal(held, []string{m.staging()}), nil
	}
	return unchangedSince(s.opts.DataDir, m.sign())
}

// unchangedSince says whether nothing in dir has changed after the sign in it was
// last touched.
func unchangedSince(dir, sign string) (bool, error) {
	info, err := os.Lstat(filepath.Join(dir, sign))
	if err != nil {
		return false, ignoreNotExist(err)
	}
	touched, known := changed(info)
	if !known {
		return false, nil
	}
	last := touched
	if info.ModTime().Unix() != 0 {
		last = last.Add(signSlack)
	}
	later := errors.New("changed later")
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if e.Name() == "standby.signal" && filepath.Dir(path) == dir { // a guard may write it at any time
			return skip(e)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if at, known := changed(info); !known || at.After(last) {
			return later
		}
		return nil
	})
	if errors.Is(err, later) {
		return false, nil
	}
	return err == nil, err
}

func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// removeRemains removes all that the data directory has except dot files and
// lost+found, which remainsOf has found to be of m. The directory itself stays,
// since it may be a mount point; links aren't followed, since they may lead to
// another server's.
func (s *Server) removeRemains(m mark) error {
	w := watch(m, []string{s.opts.DataDir}) // whoever goes on with it must know the rest
	err := removeContent(s.opts.DataDir, func(name string) bool {
		return containsData([]string{name}) && !isAnySign(name)
	})
	w.end()
	if err != nil {
		return err
	}
	return removeSigns(s.opts.DataDir, isAnySign)
}

// removeOutside removes what the attempt of m left in directories elsewhere: in
// those that it filled, which have its sign. Others are left alone.
func (s *Server) removeOutside(m mark, dirs []string) error {
	if m.id == "" {
		return nil
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			if ignoreNotExist(err) == nil {
				continue
			}
			return err
		}
		held := names(entries)
		if !slices.ContainsFunc(held, m.isSign) {
			if containsData(held) && slices.Contains(m.outside, dir) {
				s.log.Warn("a directory that a clone was to fill has something that isn't certainly its own: it is left alone", "dir", dir)
			}
			continue
		}
		err = removeContent(dir, func(name string) bool { return name != lostFound && !m.isSign(name) })
		if err == nil {
			err = removeSigns(dir, m.isSign)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func names(entries []fs.DirEntry) []string {
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
