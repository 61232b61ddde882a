package fence

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watch looks again and again while only a standby may run, and at once when a
// file comes or goes: standby.signal goes a moment before a promoted server takes
// its first write. The core hears of what is new, and of what must not be each
// time.
func (g *guard) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	files := g.watchFiles()
	var last Server
	for {
		files.follow(g.DataDir)
		if !g.watching.Load() {
			last = ""
			<-g.wake
			continue
		}
		server, err := g.looker.again()
		if err != nil {
			g.log.Error("looking for what runs", "error", err)
		} else if server != last || server == Writable {
			last = server
			g.inbox <- message{event: Looked{Server: server}}
		}
		select {
		case <-ticker.C:
		case <-g.wake:
		case <-files.changed:
		}
	}
}

// files tells of those that come and go in one directory.
type files struct {
	fd      int
	changed chan struct{}
}

// watchFiles is for as long as the guard lives. Without inotify the ticker is
// all there is.
func (g *guard) watchFiles() files {
	f := files{fd: -1, changed: make(chan struct{}, 1)}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		g.log.Warn("files can't be watched, only looked at", "error", err)
		return f
	}
	f.fd = fd
	events := os.NewFile(uintptr(fd), "inotify")
	go func() {
		defer events.Close()
		buffer := make([]byte, 64<<10)
		for {
			if _, err := events.Read(buffer); err != nil {
				return
			}
			select {
			case f.changed <- struct{}{}:
			default:
			}
		}
	}()
	return f
}

// follow watches the directory that is at dir now; once more of the same is one.
func (f files) follow(dir string) {
	if f.fd >= 0 {
		_, _ = unix.InotifyAddWatch(f.fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO)
	}
}
