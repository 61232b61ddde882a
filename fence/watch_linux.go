package fence

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watch looks again and again while only a standby may run, and at once when a
// file comes or goes.
func (g *guard) watch() {
	files := g.watchFiles()
	files.follow(g.DataDir)
	if g.wary.Load() && statFile(filepath.Join(g.DataDir, "promote")).exists() {
		// Asked for before anybody watched: the server removes the file when it notices.
		g.inbox <- message{event: Promoting{}}
	}
	for {
		pause := lookEvery
		if files.follow(g.DataDir) {
			pause = lookSometimes
		}
		if !g.watching.Load() {
			<-g.wake
			continue
		}
		began := g.clock.Now()
		if server, err := g.looker.again(); err != nil {
			g.log.Error("looking for what runs", "error", err)
		} else {
			g.inbox <- message{event: Looked{Server: server, Began: began}}
		}
		select {
		case <-time.After(pause):
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

// watchFiles is for as long as the guard lives.
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
			n, err := events.Read(buffer)
			if err != nil {
				return
			}
			if g.wary.Load() && promotion(buffer[:n], g.looker.standbySignal) {
				g.inbox <- message{event: Promoting{}}
			}
			select {
			case f.changed <- struct{}{}:
			default:
			}
		}
	}()
	return f
}

// promotion finds one among inotify's events: pg_promote() and pg_ctl make a file
// "promote" before they signal the postmaster, and PostgreSQL removes
// standby.signal at the end of recovery, before it takes the first write (xlog.c).
// One that something else has taken the place of was only replaced, as an agent
// does before it starts a standby.
func promotion(events []byte, signalThere func() bool) bool {
	gone := false
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		end := min(len(events), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:])))
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00")
		comes := mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0
		if comes && name == "promote" {
			return true
		}
		gone = gone || !comes && name == "standby.signal"
		events = events[end:]
	}
	return gone && !signalThere()
}

// follow watches the directory that is at dir now; once more of the same is one.
// False: nobody tells.
func (f files) follow(dir string) bool {
	if f.fd < 0 {
		return false
	}
	_, err := unix.InotifyAddWatch(f.fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO)
	return err == nil
}
