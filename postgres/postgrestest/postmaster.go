package postgrestest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// phase is how far a postmaster has come.
type phase int

const (
	starting phase = iota
	running
	stopping
)

// postmaster is one life of a server.
type postmaster struct {
	pid       int
	startedAt time.Time
	phase     phase
	standby   bool // standby.signal was there at its start
	recovery  bool
	alone     bool // nobody can reach it, and it reaches nobody
	promoting bool
	hung      bool
	answered  clock.Instant // when it last answered a Status
	receiver  *receiver
	retrying  bool // the next try of its WAL receiver is on its way
	senders   []*sender
}

// Fork starts a postmaster on the server's data directory: what a
// postgres.Launcher does in the end. It may become writable unless
// standby.signal is there, whatever the command says.
func (s *Server) Fork(c postgres.Command) (pid int, err error) {
	s.net.lock()
	defer s.net.mu.Unlock()
	switch {
	case s.down:
		return 0, errors.New("postgrestest: the host is down")
	case s.pm != nil:
		return 0, fmt.Errorf("postgrestest: a server runs already: process %d", s.pm.pid)
	case s.disk.data != postgres.DataValid:
		return 0, fmt.Errorf("postgrestest: the data directory is %s", s.disk.data)
	}
	s.net.pid++
	pm := &postmaster{
		pid: s.net.pid, startedAt: time.Unix(0, int64(s.net.now)).UTC(),
		standby: s.disk.standby, recovery: s.disk.standby,
		alone: slices.Contains(c.Args, aloneArgument),
	}
	s.pm = pm
	s.disk.backup = false
	took := s.speed.Start
	if s.disk.state == inProduction || s.disk.state == inCrashRecovery {
		took += s.speed.Recovery
		if !pm.standby {
			s.disk.state = inCrashRecovery
		}
	}
	s.later(pm, took, s.up)
	return pm.pid, nil
}

// aloneArgument isolates a server; the real one has several.
const aloneArgument = "--listen_addresses="

// later does something if pm is still the postmaster then.
func (s *Server) later(pm *postmaster, d time.Duration, do func()) {
	s.net.after(s, d, func() {
		if s.pm == pm {
			do()
		}
	})
}

// up lets clients in.
func (s *Server) up() {
	pm := s.pm
	if pm.phase != starting {
		return
	}
	if s.disk.full && !pm.standby {
		s.exit("FATAL: could not write to the WAL: No space left on device")
		return
	}
	pm.phase = running
	s.lastWords = ""
	if pm.standby {
		s.disk.state = inArchiveRecovery
		s.replay()
		if !pm.alone {
			s.connect()
		}
		return
	}
	s.disk.state = inProduction
	s.disk.applied = s.disk.head
}

// replay applies what is there, unless that is held up.
func (s *Server) replay() {
	if s.replayDelay == 0 {
		s.disk.applied = s.disk.head
	}
}

// Interrupt is SIGINT to the postmaster: a fast shutdown.
func (s *Server) Interrupt() {
	s.net.lock()
	defer s.net.mu.Unlock()
	s.interrupt()
}

// interrupt ends the clients at once and the server when its standbys have all
// of its WAL.
func (s *Server) interrupt() {
	pm := s.pm
	if pm == nil || pm.hung || pm.phase == stopping {
		return
	}
	was := pm.phase
	pm.phase = stopping
	pm.receiver = nil
	s.later(pm, s.speed.Stop, func() {
		switch {
		case was == starting:
			s.exit("") // as it was
		case pm.recovery:
			s.disk.state = shutDownInRecovery
			s.exit("")
		default:
			s.disk.head = s.disk.head.add(checkpoint, "", checkpointSize)
			s.disk.applied, s.disk.checkpoint = s.disk.head, s.disk.head
			s.disk.state = shuttingDown
			s.ship()
			s.drain()
		}
	})
}

// drain ends a primary once every standby that is connected has everything.
func (s *Server) drain() {
	pm := s.pm
	if !s.drained() {
		s.later(pm, s.speed.Latency, s.drain)
		return
	}
	s.disk.state = shutDown
	s.exit("")
}

// Immediately is SIGQUIT to the postmaster: an immediate shutdown.
func (s *Server) immediately() {
	if pm := s.pm; pm != nil && !pm.hung {
		pm.phase = stopping
		s.later(pm, 5*time.Millisecond, func() { s.exit("") })
	}
}

// exit is the end of the postmaster and all of its processes.
func (s *Server) exit(why string) {
	if s.pm == nil {
		return
	}
	s.pm = nil
	s.lastWords = why
	select {
	case s.exited <- struct{}{}:
	default:
	}
}

// promoted ends recovery: a new timeline after everything that was received.
func (s *Server) promoted() {
	pm := s.pm
	if pm.phase != running || !pm.recovery {
		return
	}
	s.disk.newest++
	s.disk.head = s.disk.head.promote(s.disk.newest)
	s.disk.applied, s.disk.checkpoint = s.disk.head, s.disk.head
	s.disk.state, s.disk.standby = inProduction, false
	pm.recovery, pm.promoting, pm.standby = false, false, false
	s.ship()
}

// States of the control file, as pg_controldata prints them.
const (
	shutDown           = "shut down"
	shutDownInRecovery = "shut down in recovery"
	shuttingDown       = "shutting down"
	inArchiveRecovery  = "in archive recovery"
	inCrashRecovery    = "in crash recovery"
	inProduction       = "in production"
)
