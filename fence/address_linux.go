package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keepEvery is how often a guard makes sure that it can be found.
const keepEvery = time.Second

// address is where agents find a guard: its folder in the run directory, which
// it locks, and the socket in there. Cleaners of /run and /tmp remove either
// under a guard that lives; it takes them again.
//
// The socket is removed through the descriptor that holds the lock. By the path
// it could be another guard's: the lock is on the folder that was there, not on
// one that was made in its place.
type address struct {
	place place

	mu       sync.Mutex
	folder   *os.File // locked
	listener *net.UnixListener
	socket   identity // of listener; not used again for as long as that is open
	left     bool
}

// lock takes the folder that is at the place now.
func (a *address) lock() error {
	folder, err := lockDir(string(a.place))
	if err != nil {
		return fmt.Errorf("lock the run directory: %w", err)
	}
	if a.folder != nil {
		a.folder.Close()
	}
	a.folder = folder
	return nil
}

// listen puts a socket into the folder. Whose there was one is dead, since we
// hold the lock.
func (a *address) listen() (*net.UnixListener, error) {
	name := filepath.Base(a.place.socket())
	if err := unix.Unlinkat(int(a.folder.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("take the guard's socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.place.socket(), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("take the guard's socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // that goes by the path
	socket, err := a.inFolder(name)
	if err == nil {
		err = unix.Fchmodat(int(a.folder.Fd()), name, 0o600, 0)
	}
	if err == nil {
		err = a.writePID()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("take the guard's socket: %w", err)
	}
	if a.listener != nil {
		a.listener.Close()
	}
	a.listener, a.socket = l, socket
	return l, nil
}

func (a *address) writePID() error {
	return os.WriteFile(a.place.pid(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
}

// inFolder is the file of that name in the locked folder, wherever that is now.
func (a *address) inFolder(name string) (identity, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(a.folder.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return identity{uint64(st.Dev), st.Ino}, err
}

// keep returns a new listener if agents couldn't find the guard any more, and
// nil if they can.
func (a *address) keep() (*net.UnixListener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left {
		return nil, nil
	}
	if at, err := identify(a.place.socket()); err == nil && at == a.socket {
		if missing(a.place.pid()) {
			return nil, a.writePID()
		}
		return nil, nil
	}
	held, err := a.inFolder(".")
	if err != nil {
		return nil, err
	}
	if at, err := identify(string(a.place)); err != nil || at != held {
		if err := a.place.make(); err != nil {
			return nil, err
		}
		if err := a.lock(); err != nil {
			return nil, err
		}
	}
	return a.listen()
}

// leave removes the socket, if it is still ours, for good.
func (a *address) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = true
	name := filepath.Base(a.place.socket())
	if at, err := a.inFolder(name); err == nil && at == a.socket {
		unix.Unlinkat(int(a.folder.Fd()), name, 0)
	}
}

// keepAddress takes the guard's address again whenever it is lost, and with it
// what lay there for the next guard. The latch is looked for by itself: whoever
// removes a folder file by file may still be at it when the socket is back.
func (g *guard) keepAddress() {
	var said string
	for range time.Tick(keepEvery) {
		l, err := g.address.keep()
		if err != nil {
			if said != err.Error() {
				said = err.Error()
				g.log.Warn("agents can't find the guard: its files are gone", "error", err)
			}
			continue
		}
		said = ""
		if l != nil || g.scribe.latchGone() {
			g.inbox <- message{event: Moved{Latch: g.latched()}}
		}
		if l != nil {
			g.log.Warn("the guard's socket was gone and is there again", "socket", g.Place.socket())
			go g.sessions.serve(l)
		}
	}
}

// missing is true only if nothing is there, not if nobody can tell.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
