package postgres

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// pidFile is the content of postmaster.pid (PostgreSQL's miscadmin.h, "lock file
// contents"). The lines after the third appear while the server starts.
type pidFile struct {
	there     bool
	pid       int // negative: of a single-user server; 0: it can't be read
	started   time.Time
	port      int
	socketDir string // empty: no unix socket
	listen    string // the first address, "*" for all; empty: no TCP
	memory    string // key and number of the shared memory; empty: none yet
	status    string // "starting", "stopping", "ready" (in either role), "standby" (hot_standby is off)
}

// readPidFile reads the data directory's lock file; none is the zero pidFile.
func (s *Server) readPidFile() (pidFile, error) {
	content, err := os.ReadFile(s.dataPath("postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	if err != nil {
		return pidFile{}, err
	}
	return parsePidFile(string(content)), nil
}

// process is whom it names, a single-user server too.
func (f pidFile) process() int { return max(f.pid, -f.pid) }

// of is the lock file if pm wrote it. That of a predecessor which was killed lies
// there until pm has written its own, and says nothing of pm.
func (f pidFile) of(pm *postmaster) pidFile {
	if f.pid != pm.pid {
		return pidFile{}
	}
	return f
}

func parsePidFile(content string) pidFile {
	lines := strings.Split(content, "\n")
	line := func(i int) string {
		if i < len(lines) {
			return strings.TrimSpace(lines[i])
		}
		return ""
	}
	f := pidFile{there: true}
	f.pid, _ = strconv.Atoi(line(0))
	if sec, err := strconv.ParseInt(line(2), 10, 64); err == nil {
		f.started = time.Unix(sec, 0)
	}
	f.port, _ = strconv.Atoi(line(3))
	f.socketDir, f.listen, f.memory, f.status = line(4), line(5), line(6), line(7)
	return f
}
