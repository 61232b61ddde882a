package postgres

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
)

// probeTimeout bounds one probe; probeInterval is the least time between two.
// probeGrace is how long Status waits for one that runs beside its query.
const (
	probeTimeout  = 3 * time.Second
	probeInterval = 2 * time.Second
	probeGrace    = 50 * time.Millisecond
)

// probe asks a new connection for any byte of the protocol: the answer to an
// SSLRequest, or an error message (PostgreSQL documentation, "Message Flow"). A
// server that starts, shuts down or has too many clients answers it as well,
// one whose postmaster hangs doesn't, though its old connections may still work.
func (s *Server) probe(ctx context.Context) error {
	host, port, err := s.address(s.Settings())
	if err != nil {
		return err
	}
	network, addr := "tcp", net.JoinHostPort(host, strconv.Itoa(port))
	if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		network, addr = "unix", filepath.Join(host, ".s.PGSQL."+strconv.Itoa(port))
	}
	conn, err := s.session.wires.dial(ctx, network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sslRequest := []byte{0, 0, 0, 8, 4, 210, 22, 47}
	if _, err := conn.Write(sslRequest); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return fmt.Errorf("a new connection got no answer: %w", err)
	}
	return nil
}

// answers is what probes and new connections told of one postmaster.
type answers struct {
	of      *postmaster
	last    bool          // the last one that ended got an answer
	at      clock.Instant // when one last did
	asked   clock.Instant // when the last one was sent
	refuses string        // why the last session was turned away, if for a fault of the server
	running chan struct{} // closed when the probe under way ends; nil: none is
}

// answered notes that a new connection to pm, which runs, got an answer: refuses, if
// it was turned away for a fault of the server.
func (s *Server) answered(pm *postmaster, refuses string) {
	s.answersMu.Lock()
	defer s.answersMu.Unlock()
	s.answers.about(pm)
	s.answers.last, s.answers.at, s.answers.refuses = true, s.clock.Now(), refuses
}

// trySession begins a session as clients do. It returns why the server, for a fault
// of its own, doesn't let one in; empty: it does, or that can't be told.
func (s *Server) trySession(ctx context.Context) string {
	conn, err := s.connect(ctx, heartbeatParameters())
	if err != nil {
		return ownFault(err)
	}
	_ = conn.Close(ctx)
	return ""
}

// about forgets what was told of another postmaster.
func (a *answers) about(pm *postmaster) {
	if a.of != pm {
		*a = answers{of: pm, running: a.running}
	}
}

// startProbe asks pm beside the caller unless that was done lately; now leaves
// the interval out. With deep it tries a whole session: a server whose disk is full
// may let none in, and work on in those that stand. The channel is closed when no probe is under way any more.
func (s *Server) startProbe(pm *postmaster, now, deep bool) <-chan struct{} {
	s.answersMu.Lock()
	defer s.answersMu.Unlock()
	a := &s.answers
	a.about(pm)
	if a.running != nil {
		return a.running
	}
	done := make(chan struct{})
	if !now && !a.asked.IsZero() && s.clock.Now().Sub(a.asked) < probeInterval {
		close(done)
		return done
	}
	a.asked, a.running = s.clock.Now(), done
	deep = deep || a.refuses != ""
	s.watchers.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, probeTimeout)
		defer cancel()
		err := s.probe(ctx)
		refuses := ""
		if err == nil && deep {
			refuses = s.trySession(ctx)
		}
		s.answersMu.Lock()
		defer s.answersMu.Unlock()
		if a.of == pm {
			a.last = err == nil
			if a.last {
				a.at = s.clock.Now()
			}
			if deep {
				a.refuses = refuses
			}
		}
		a.running = nil
		close(done)
	})
	return done
}
