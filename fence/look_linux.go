package fence

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// While only a standby may run; sometimes will do where each server that starts
	// or is promoted is told by the files that it makes.
	lookEvery     = 100 * time.Millisecond
	lookSometimes = time.Second

	scanEvery = 10 * time.Second // all of /proc, when no file gave a reason to
	starting  = 10 * time.Second // a postmaster makes its postmaster.pid first of all
)

// looker tells whether what runs on the data directory is a standby.
//
// A standby is a server with standby.signal that was there before it started:
// PostgreSQL reads the file once, and removes it at the end of recovery, before
// the first write ("Standby Server Operation" and xlog.c). A server that was
// once seen without it is writable until it ends, whoever puts the file back.
//
// Each server makes a new postmaster.pid before it does anything else, so as
// long as that stays the same nobody else has started, and a look is cheap.
type looker struct {
	scope                   *scope
	signalPath, pidfilePath string

	mu      sync.Mutex
	signal  file
	pidfile file
	scanned time.Time
	server  Server
	judged  map[process]bool          // postmasters: whether a standby
	seen    atomic.Pointer[[]process] // the same, for whom mu may be held too long

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
// One that hasn't written its pid yet may have been seen before it looked for
// standby.signal: what it is isn't settled.
func (l *looker) judge(p process, before, signal, pidfile file) (standby, settled bool) {
	l.launchMu.Lock()
	defer l.launchMu.Unlock()
	switch {
	case p == l.launched:
		return l.standby, true
	case before == signal || signal.bornBefore(pidfile):
		return true, true
	case p.age() < starting && (!l.hasPidfile(p) || statFile(l.pidfilePath) != pidfile):
		return true, false
	}
	return false, true
}

// hasPidfile says whether postmaster.pid is this one's, not a dead one's.
func (l *looker) hasPidfile(p process) bool {
	text, _ := os.ReadFile(l.pidfilePath)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line) == strconv.Itoa(p.pid)
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

// allAlive says whether all that was found still runs. A zombie, which its parent
// hasn't waited for, doesn't.
func (l *looker) allAlive() bool {
	for p := range l.judged {
		if now, err := readProcess(p.pid); err != nil || now.start != p.start {
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
	judged, all := map[process]bool{}, true
	var seen []process
	for _, m := range members {
		if !m.root || m.servesNobody() {
			continue
		}
		// Its parent may end and be replaced; it is the same process.
		key := process{pid: m.pid, start: m.start}
		seen = append(seen, key)
		standby, settled := l.judged[key]
		if !settled {
			standby, settled = l.judge(key, before, signal, pidfile)
		}
		standby = standby && signal.exists()
		if settled || !standby {
			judged[key] = standby
		}
		all = settled && all
		switch {
		case !standby:
			l.server = Writable
		case l.server == None:
			l.server = Standby
		}
	}
	if !all {
		l.scanned = time.Time{} // once more at the next look
	}
	l.judged = judged
	l.seen.Store(&seen)
	return l.server, nil
}

// postmasters are those that were seen last, without a look.
func (l *looker) postmasters() []process {
	if seen := l.seen.Load(); seen != nil {
		return *seen
	}
	return nil
}
