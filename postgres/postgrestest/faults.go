package postgrestest

import (
	"errors"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Kill is SIGKILL to every process of the server. What was acknowledged is on
// disk; where its WAL ends is known only after crash recovery.
func (s *Server) Kill() { s.do(func() { s.exit("the postmaster was killed") }) }

// Crash is the loss of the host: the server ends and answers nobody, its
// neighbours aren't told.
func (s *Server) Crash() {
	s.do(func() {
		s.exit("")
		s.down, s.frozen, s.held = true, false, nil
	})
}

// Boot brings the host back, with the disk as it was and nothing running.
func (s *Server) Boot() { s.do(func() { s.down = false }) }

// Freeze stops everything on the host, which keeps its memory and connections.
func (s *Server) Freeze() { s.do(func() { s.frozen = true }) }

// Thaw lets everything on the host go on.
func (s *Server) Thaw() {
	s.do(func() {
		s.frozen = false
		for _, e := range s.held {
			e.at = max(e.at, s.net.now)
			s.net.insert(e)
		}
		s.held = nil
	})
}

// Hang makes the postmaster that runs answer nobody and obey nothing but Kill.
// The sessions that it has go on.
func (s *Server) Hang() {
	s.do(func() {
		if s.pm != nil {
			s.pm.hung = true
		}
	})
}

// FillDisk leaves no room on the disk, or makes room again. A primary dies of
// its next write and can't start; a standby receives nothing.
func (s *Server) FillDisk(full bool) { s.do(func() { s.disk.full = full }) }

// DelayReplay lets a standby receive WAL and not replay it, and a promotion take
// that much longer. Zero ends it.
func (s *Server) DelayReplay(d time.Duration) {
	s.do(func() {
		s.replayDelay = d
		if d == 0 && s.pm != nil && s.pm.recovery && s.pm.phase == running {
			s.replay()
		}
	})
}

// ForceStandby puts standby.signal into place, as a guard does after it killed.
func (s *Server) ForceStandby() { s.do(func() { s.disk.standby = true }) }

// Look is what an omniscient observer sees.
type Look struct {
	Running   bool // clients are let in
	Writable  bool
	Streaming bool // from a primary or another standby
	Stopping  bool // it shuts down, and waits for those that it sends to
	Hangs     bool // the postmaster runs and answers nobody
	Standby   bool // standby.signal is there, or was when the server started
	Process   int  // of the postmaster; 0: none
	Timeline  uint32
	End       uint64 // of the WAL on disk
	At        clock.Instant

	on *branch
}

// SameTimeline says whether both are on the very same timeline: two servers that know
// nothing of each other may give the same number to one of their own.
func (l Look) SameTimeline(other Look) bool { return l.on == other.on }

// Look looks without being noticed.
func (s *Server) Look() Look {
	s.net.lock()
	defer s.net.mu.Unlock()
	l := Look{At: s.net.now, Standby: s.disk.standby, Writable: s.writable()}
	if s.disk.head != nil {
		l.on = s.disk.head.on
		l.Timeline, l.End = uint32(s.disk.head.on.timeline), uint64(s.disk.head.end)
	}
	if pm := s.pm; pm != nil {
		l.Process, l.Running = pm.pid, pm.phase == running && !pm.hung
		l.Standby, l.Hangs, l.Stopping = pm.standby, pm.hung, pm.phase == stopping && !pm.hung
		l.Streaming = pm.receiver != nil && s.linked(pm.receiver)
	}
	return l
}

// ErrKilled as the cause of a context's end says that the caller was killed
// rather than told to give up: a call does nothing any more, not even what it
// would do to leave no server behind.
var ErrKilled = errors.New("postgrestest: the caller was killed")
