package fence

import (
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lookEvery = 100 * time.Millisecond // while only a standby may run
	scanEvery = 10 * time.Second       // all of /proc, when no file gave a reason to
)

// looker tells whether what runs on the data directory is a standby.
//
// A standby is a server with standby.signal that was there before it started:
// PostgreSQL reads the file once, and removes it at the end of recovery, before
// the first write ("Standby Server Operation" and xlog.c). A server that was
// once seen without it is writable until it ends, whoever puts the file back.
//
// Each server makes a new postmaster.pid before it does anything else, so as
// long as that stays the same nobody else has started, and looking costs two
// system calls.
type looker struct {
	scope                   *scope
	signalPath, pidfilePath string

	mu      sync.Mutex
	signal  file
	pidfile file
	scanned time.Time
	server  Server
	judged  map[process]bool // postmasters: whether a standby

	// What was launched last has a lock of its own: a look may wait for a disk.
	launchMu sync.Mutex
	launched process
	standby  bool
}

// file is which file was at a path; zero: none, or it can't be told.
type file struct {
	inode, device uint64
	born          unix.StatxTimestamp // zero where the file system doesn't know
	changed       unix.StatxTimestamp
}

func statFile(path string) file {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) != nil {
		return file{}
	}
	f := file{inode: st.Ino, device: unix.Mkdev(st.Dev_major, st.Dev_minor), changed: st.Mtime}
	if st.Mask&unix.STATX_BTIME != 0 {
		f.born = st.Btime
	}
	return f
}

func (f file) exists() bool { return f != file{} }

func (f file) bornBefore(g file) bool {
	a, b := f.born, g.born
	known := a != unix.StatxTimestamp{} && b != unix.StatxTimestamp{}
	return known && (a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec <= b.Nsec)
}

func newLooker(s *scope, dir string) *looker {
	return &looker{
		scope:       s,
		signalPath:  filepath.Join(dir, "standby.signal"),
		pidfilePath: filepath.Join(dir, "postmaster.pid"),
		judged:      map[process]bool{},
	}
}

// standbySignal says whether the next start would be a standby's.
func (l *looker) standbySignal() bool { return statFile(l.signalPath).exists() }

// launch keeps judgement of unknown postmasters back while fork makes one, and
// remembers what was known of that.
func (l *looker) launch(standby bool, fork func() (process, error)) error {
	l.launchMu.Lock()
	defer l.launchMu.Unlock()
	p, err := fork()
	if err == nil {
		l.launched, l.standby = p, standby
	}
	return err
}

// judge says whether a postmaster that is seen for the first time is a standby.
func (l *looker) judge(p process, before, signal, pidfile file) bool {
	l.launchMu.Lock()
	defer l.launchMu.Unlock()
	if p == l.launched {
		return l.standby
	}
	return before == signal || signal.bornBefore(pidfile)
}

// again looks, and only as far as something has changed.
func (l *looker) again() (Server, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	signal, pidfile := statFile(l.signalPath), statFile(l.pidfilePath)
	if l.server != "" && signal == l.signal && pidfile == l.pidfile && time.Since(l.scanned) < scanEvery && l.allAlive() {
		return l.server, nil
	}
	return l.scan(signal, pidfile)
}

// afresh looks at everything.
func (l *looker) afresh() (Server, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scan(statFile(l.signalPath), statFile(l.pidfilePath))
}

// allAlive is asked too often to read /proc for it.
func (l *looker) allAlive() bool {
	for p := range l.judged {
		if unix.Kill(p.pid, 0) != nil {
			return false
		}
	}
	return true
}

func (l *looker) scan(signal, pidfile file) (Server, error) {
	members, err := l.scope.find()
	if err != nil {
		l.server = ""
		return Writable, err
	}
	before := l.signal
	l.signal, l.pidfile, l.scanned, l.server = signal, pidfile, time.Now(), None
	judged := map[process]bool{}
	for _, m := range members {
		if !m.root || m.standalone() {
			continue
		}
		// Its parent may end and be replaced; it is the same process.
		key := process{pid: m.pid, start: m.start}
		standby, known := l.judged[key]
		if !known {
			standby = l.judge(key, before, signal, pidfile)
		}
		judged[key] = standby && signal.exists()
		switch {
		case !judged[key]:
			l.server = Writable
		case l.server == None:
			l.server = Standby
		}
	}
	l.judged = judged
	return l.server, nil
}
