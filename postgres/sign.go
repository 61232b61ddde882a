package postgres

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An attempt to fill directories can't put a sign into one that must be empty: that
// of initdb, of a command, of pg_basebackup's WAL and tablespaces. It is put there
// as soon as something is in it, and its time is kept at the present for as long
// as the attempt goes on: what has changed in the directory later isn't of that
// attempt.
const (
	signLook  = 100 * time.Millisecond
	signTouch = time.Second
	// signSlack is by how much what the attempt wrote may be later than its sign, if
	// the agent was killed: one that lives to see the end of the attempt says so, by a
	// sign of the time zero.
	signSlack = 2 * signTouch
)

// witness puts the sign of an attempt into the directories that it fills.
type witness struct {
	sign string
	dirs []*witnessed
	stop chan struct{}
	done sync.WaitGroup
}

// witnessed is one of the directories. It is kept open, so that another that takes
// its place gets no sign.
type witnessed struct {
	path   string
	dir    *os.File // nil: it isn't there yet
	signed bool     // once: whoever removes the sign says that the directory is another's
}

// watch begins to see to the signs of m in dirs, until end.
func watch(m mark, dirs []string) *witness {
	w := &witness{sign: m.sign(), stop: make(chan struct{})}
	for _, path := range dirs {
		d := &witnessed{path: path}
		d.open()
		w.dirs = append(w.dirs, d)
	}
	w.done.Go(func() {
		tick := time.NewTicker(signLook)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-w.stop:
				w.look(time.Time{}, true) // all that it has written is there
				return
			case now := <-tick.C:
				w.look(now, n%int(signTouch/signLook) == 0)
			}
		}
	})
	return w
}

// end is called when nobody writes any more.
func (w *witness) end() {
	close(w.stop)
	w.done.Wait()
	for _, d := range w.dirs {
		if d.dir != nil {
			d.dir.Close()
		}
	}
}

func (w *witness) look(at time.Time, touch bool) {
	for _, d := range w.dirs {
		d.open()
		if d.dir == nil {
			continue
		}
		if !d.signed {
			d.signed = d.put(w.sign)
		}
		if d.signed && touch {
			var stamp unix.Timespec
			if !at.IsZero() {
				stamp = unix.NsecToTimespec(at.UnixNano())
			}
			_ = unix.UtimesNanoAt(int(d.dir.Fd()), w.sign, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
		}
	}
}

func (d *witnessed) open() {
	if d.dir == nil {
		d.dir, _ = os.Open(d.path)
	}
}

// put puts the sign into the directory if there is anything in it, and returns
// whether it is there.
func (d *witnessed) put(sign string) bool {
	ours, err := d.dir.Stat()
	there, errThere := os.Stat(d.path)
	if err != nil || errThere != nil || !os.SameFile(ours, there) {
		return false
	}
	if _, err := d.dir.Seek(0, io.SeekStart); err != nil {
		return false
	}
	names, err := d.dir.Readdirnames(-1)
	if err != nil || !containsData(names) {
		return false
	}
	err = makePipe(d.dir, sign)
	return err == nil && d.dir.Sync() == nil || errors.Is(err, fs.ErrExist)
}

// containsData says whether any of a directory's names counts: dot files and
// lost+found are in directories that are empty.
func containsData(names []string) bool {
	for _, name := range names {
		if !strings.HasPrefix(name, ".") && name != lostFound {
			return true
		}
	}
	return false
}

// putSign puts a sign into a directory at once.
func putSign(dir, sign string) error {
	path := filepath.Join(dir, sign)
	if err := syscall.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return syncDir(dir)
}

// signs lists the signs in a directory, which needn't be there.
func signs(dir string) (found []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if isAnySign(e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found, ignoreNotExist(err)
}

// removeSigns removes those signs in a directory.
func removeSigns(dir string, which func(name string) bool) error {
	found, err := signs(dir)
	for _, name := range found {
		if which(name) && err == nil {
			err = removeFile(filepath.Join(dir, name))
		}
	}
	return err
}
