package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Status asks the server and, where it doesn't answer, its control file. What
// isn't known stays zero, and Problem says why; it never stands for a no.
func (s *Server) Status(ctx context.Context) Status {
	st := Status{At: s.clock.Now(), Data: DataUnknown, State: StateUnknown}
	l, err := s.lookAround(ctx)
	if err != nil {
		s.statusOfHungDisk(&st)
		st.Problem = err.Error()
		return st
	}
	st.Data, st.Standby, st.Backup, st.Control = l.data, l.standby, l.backup, l.control
	st.ServerVersion = l.version * 10000
	if l.control != nil {
		st.SystemID = l.control.SystemID
	}
	if l.pm == nil {
		s.statusStopped(&st, l)
	} else {
		s.statusRunning(ctx, &st, l)
	}
	problems := append(slices.Clone(l.problems), st.Problem, l.full)
	st.Problem = strings.Join(slices.DeleteFunc(problems, func(p string) bool { return p == "" }), "; ")
	return st
}

// statusStopped fills in what the control file tells of a server that is down.
func (s *Server) statusStopped(st *Status, l look) {
	if len(l.problems) == 0 || l.data == DataEmpty || st.Control != nil {
		st.State = StateStopped
	}
	st.Problem = s.lastWords()
	c := l.control
	if c == nil {
		return
	}
	st.Timeline, st.Location = c.CheckpointTimeline, c.CheckpointLSN
	if c.MinRecoveryLSN > st.Location {
		st.Location = c.MinRecoveryLSN
	}
	st.Timeline = max(st.Timeline, c.MinRecoveryTimeline)
}

// statusOfHungDisk tells what is known without a file: the postmaster's life,
// and what it answers.
func (s *Server) statusOfHungDisk(st *Status) {
	if pm := s.known(); pm != nil {
		st.PID = pm.pid
		s.fillAnswers(st, pm)
	}
}

func (s *Server) statusRunning(ctx context.Context, st *Status, l look) {
	st.PID = l.pm.pid
	probed := s.startProbe(l.pm, false, l.full != "")
	var a answer
	err := s.query(ctx, l.pm, func(conn *pgx.Conn) (err error) {
		if a, err = ask(ctx, conn); err != nil {
			return err
		}
		st.Pending, err = s.pending(ctx, conn, l.pm, a)
		return err
	})
	if err == nil {
		s.fillAnswer(ctx, st, a, l)
		waitUpTo(ctx, probed, probeGrace)
	} else {
		st.State = stateOf(err, l.lock.of(l.pm))
		st.Problem = "no query went through: " + oneLine(err)
		if turnedAway(err) {
			s.answered(l.pm, ownFault(err))
		} else {
			select {
			case <-s.startProbe(l.pm, true, false):
			case <-ctx.Done():
			}
		}
		if l.pm.dead() { // in the meantime
			st.State, st.PID = StateStopped, 0
			st.Problem = s.lastWords()
			return
		}
	}
	s.fillAnswers(st, l.pm)
}

func (s *Server) fillAnswers(st *Status, pm *postmaster) {
	s.answersMu.Lock()
	defer s.answersMu.Unlock()
	if s.answers.of == pm {
		st.Answers, st.AnsweredAt, st.Refuses = s.answers.last, s.answers.at, s.answers.refuses
	}
}

// turnedAway says whether a new connection ended with an error message of the
// server: as good an answer as any.
func turnedAway(err error) bool {
	var connecting *pgconn.ConnectError
	var pgErr *pgconn.PgError
	return errors.As(err, &connecting) && errors.As(err, &pgErr)
}

// ownFault is the message of a server that turned a session away because it can't
// work itself, by the classes of PostgreSQL's error codes: not because of who asked,
// or how many there are.
func ownFault(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return ""
	}
	switch class := pgErr.Code[:min(2, len(pgErr.Code))]; {
	case pgErr.Code == "53300", pgErr.Code == "53400": // too_many_connections, configuration_limit_exceeded
		return ""
	case class == "53", class == "58", class == "XX": // insufficient resources, system error, internal error
		return pgErr.Message
	}
	return ""
}

// stateOf is the state of a server that runs and answered a query with err.
// The lock file's word counts where the server gave none.
func stateOf(err error, lock pidFile) State {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch {
		case pgErr.Code == "57P03" && lock.status == "stopping": // cannot_connect_now
			return StateStopping
		case pgErr.Code == "57P03":
			return StateStarting
		}
		return StateUnknown
	}
	switch lock.status {
	case "stopping":
		return StateStopping
	case "starting", "":
		return StateStarting
	}
	return StateUnknown
}

func (s *Server) fillAnswer(ctx context.Context, st *Status, a answer, l look) {
	st.State = StateRunning
	if l.lock.pid == l.pm.pid && l.lock.status == "stopping" {
		st.State = StateStopping
	}
	st.StartedAt, st.ServerVersion = a.started, a.version
	st.Replication, st.Slots = a.walsender, a.slots
	s.ran(l.pm)
	if !a.recovery {
		st.Role, st.Timeline, st.Location = RolePrimary, a.timeline, a.flushed
		return
	}
	st.Role = RoleReplica
	st.Received, st.Replayed, st.ReplayedAt = a.received, a.replayed, a.replayAt
	st.Location = max(a.received, a.replayed)
	st.ReplayPaused = a.paused
	st.Receiver = a.receiver
	st.ArchiveRecovery = a.receiver == nil && a.archive
	st.Timeline = s.replicaTimeline(ctx, l, a)
}

// replicaTimeline is the timeline that a replica is on. The control file learns
// of a switch only at the next restart point, so what a WAL receiver of this
// postmaster said before it ended counts as well, and without one the server is
// asked, once for each position.
func (s *Server) replicaTimeline(ctx context.Context, l look, a answer) Timeline {
	s.pmMu.Lock()
	if a.receiver != nil {
		l.pm.timeline = max(l.pm.timeline, a.receiver.Timeline)
	}
	ask := a.receiver == nil && l.pm.timelineAt != a.replayed
	l.pm.timelineAt = a.replayed
	s.pmMu.Unlock()
	var replayed Timeline
	if ask {
		bounded, cancel := context.WithTimeout(ctx, timelinePatience)
		replayed, _, _ = s.replayed(bounded) // may be forbidden by pg_hba.conf
		cancel()
	}
	s.pmMu.Lock()
	defer s.pmMu.Unlock()
	l.pm.timeline = max(l.pm.timeline, replayed)
	tl := l.pm.timeline
	if c := l.control; c != nil {
		tl = max(tl, c.CheckpointTimeline, c.MinRecoveryTimeline)
	}
	return tl
}

// timelinePatience bounds the question for the timeline.
const timelinePatience = 500 * time.Millisecond
