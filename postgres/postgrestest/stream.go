package postgrestest

import (
	"github.com/regent-ha/regent/clock"
)

// receiver is a standby's WAL receiver.
type receiver struct {
	from    *Server
	sender  *postmaster // which life of it
	heard   clock.Instant
	pending bool // WAL is on its way
}

// sender is a walsender: what a server knows of a standby that streams from it.
type sender struct {
	to    *Server
	pm    *postmaster
	heard clock.Instant
}

// connect starts the WAL receiver, or tries again later.
func (s *Server) connect() {
	pm := s.pm
	if pm.receiver != nil || !pm.recovery || pm.promoting || pm.alone || pm.phase != running {
		return
	}
	if up := s.net.find(s.disk.upstream.Host, s.disk.upstream.Port); up != nil && s.canStream(up) {
		pm.receiver = &receiver{from: up, sender: up.pm, heard: s.net.now}
		up.pm.senders = append(up.pm.senders, &sender{to: s, pm: pm, heard: s.net.now})
		s.disk.newest = max(s.disk.newest, up.disk.newest)
		s.fetch()
		s.watchReceiver(pm.receiver)
		return
	}
	if !pm.retrying {
		pm.retrying = true
		s.later(pm, s.speed.Retry, func() {
			pm.retrying = false
			s.connect()
		})
	}
}

// canStream says whether up would send us WAL: it lets us in, has our slot, and
// our WAL is the beginning of its own.
func (s *Server) canStream(up *Server) bool {
	if up == s || up.pm == nil || up.down || up.frozen || s.disk.full {
		return false
	}
	slot := s.disk.upstream.Slot
	_, hasSlot := up.disk.slots[slot]
	return s.net.reaches(s.opts.Host, up.opts.Host) && up.pm.phase == running && !up.pm.alone && !up.pm.hung &&
		(slot == "" || hasSlot) && up.disk.systemID == s.disk.systemID && up.disk.head.has(s.disk.head)
}

// ship sends new WAL to every standby that streams from s.
func (s *Server) ship() {
	if s.pm == nil {
		return
	}
	for _, w := range s.pm.senders {
		if w.to.pm == w.pm {
			w.to.fetch()
		}
	}
}

// fetch lets WAL arrive that the sender has, a latency later.
func (s *Server) fetch() {
	pm := s.pm
	r := pm.receiver
	if r == nil || r.pending || r.from.disk.head == s.disk.head {
		return
	}
	r.pending = true
	s.later(pm, s.speed.Latency, func() {
		r.pending = false
		if pm.receiver == r && s.linked(r) && !s.disk.full {
			s.receive(r)
		}
	})
}

// linked says whether anything comes through to r.
func (s *Server) linked(r *receiver) bool {
	return r.from.pm == r.sender && !r.from.frozen && s.net.reaches(s.opts.Host, r.from.opts.Host)
}

// receive writes down what the sender has at this moment.
func (s *Server) receive(r *receiver) {
	if !r.from.disk.head.has(s.disk.head) {
		s.pm.receiver = nil // what it sends doesn't go on where we are
		return
	}
	s.disk.head = r.from.disk.head
	s.disk.newest = max(s.disk.newest, r.from.disk.newest)
	s.replay()
	s.ship()
}

// watchReceiver looks after r from time to time: its end is noticed at once where
// the sender's host tells, else after the timeout.
func (s *Server) watchReceiver(r *receiver) {
	pm := s.pm
	s.later(pm, receiverLook, func() {
		if pm.receiver != r {
			return
		}
		reachable := s.net.reaches(s.opts.Host, r.from.opts.Host) && !r.from.down && !r.from.frozen
		switch {
		case reachable && r.from.pm != r.sender, s.net.now.Sub(r.heard) > s.speed.Timeout, s.disk.full:
			pm.receiver = nil
			s.connect()
			return
		case reachable:
			r.heard = s.net.now
			for _, w := range r.sender.senders {
				if w.to == s && w.pm == pm {
					w.heard = s.net.now
				}
			}
			s.fetch()
		}
		s.watchReceiver(r)
	})
}

// receiverLook is how often a receiver that has nothing to do looks at its
// connection.
const receiverLook = 100_000_000 // ns

// drained says whether every standby that streams from s has all of its WAL.
func (s *Server) drained() bool {
	for _, w := range s.pm.senders {
		reachable := s.net.reaches(s.opts.Host, w.to.opts.Host) && !w.to.down && !w.to.frozen
		switch {
		case s.net.now.Sub(w.heard) > s.speed.Timeout:
		case !reachable:
			return false
		case w.to.pm == w.pm && w.pm.receiver != nil && w.pm.receiver.sender == s.pm && w.to.disk.head != s.disk.head && !w.to.disk.full:
			return false
		}
	}
	return true
}
