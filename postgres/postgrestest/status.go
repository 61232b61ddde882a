package postgrestest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/regent-ha/regent/postgres"
)

// Status is what the server says of itself, or its control file.
func (s *Server) Status(context.Context) postgres.Status {
	s.net.lock()
	defer s.net.mu.Unlock()
	st := postgres.Status{At: s.clock.Now(), Data: s.disk.data, State: postgres.StateStopped, Problem: s.lastWords}
	if s.disk.data == postgres.DataValid {
		st.SystemID, st.Standby, st.Control, st.ServerVersion = s.disk.systemID, s.disk.standby, s.control(), 150000
		st.Backup = s.disk.backup
	}
	pm := s.pm
	if pm == nil {
		if c := st.Control; c != nil {
			st.Timeline = max(c.CheckpointTimeline, c.MinRecoveryTimeline)
			st.Location = max(c.CheckpointLSN, c.MinRecoveryLSN)
		}
		return st
	}
	st.PID = pm.pid
	if pm.hung {
		st.State, st.AnsweredAt = postgres.StateUnknown, pm.answered
		st.Problem = "no query went through: the postmaster doesn't answer"
		return st
	}
	pm.answered = st.At
	st.Answers, st.AnsweredAt, st.StartedAt = true, st.At, pm.startedAt
	switch pm.phase {
	case starting:
		st.State = postgres.StateStarting
	case stopping:
		st.State = postgres.StateStopping
	case running:
		st.State = postgres.StateRunning
		s.describe(&st)
	}
	return st
}

// describe is what only a query tells.
func (s *Server) describe(st *postgres.Status) {
	pm := s.pm
	st.Timeline, st.Location, st.Role = s.disk.head.on.timeline, s.disk.head.end, postgres.RolePrimary
	if pm.recovery {
		st.Role = postgres.RoleReplica
		st.Received, st.Replayed = s.disk.head.end, s.disk.applied.end
		if r := pm.receiver; r != nil {
			up := s.disk.upstream
			st.Receiver = &postgres.Receiver{Streaming: true, Timeline: st.Timeline, Flushed: st.Location,
				LatestEnd: st.Location, Host: up.Host, Port: up.Port, Slot: up.Slot}
		}
	}
	active := map[string]bool{}
	for _, w := range pm.senders {
		if w.to.pm != w.pm || w.pm.receiver == nil || w.pm.receiver.sender != pm {
			continue
		}
		active[w.to.disk.upstream.Slot] = true
		st.Replication = append(st.Replication, postgres.Walsender{
			Application: w.to.opts.Name, Client: w.to.opts.Host, State: "streaming", SyncState: "async",
			Sent: st.Location, Written: w.to.disk.head.end, Flushed: w.to.disk.head.end, Replayed: w.to.disk.applied.end,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(s.disk.slots)) {
		st.Slots = append(st.Slots, postgres.Slot{Name: name, Type: "physical", Active: active[name],
			RestartLSN: s.disk.slots[name], WALStatus: "reserved"})
	}
}

// control is the control file. A standby learns of a new timeline there only
// with what it has replayed.
func (s *Server) control() *postgres.Control {
	c := &postgres.Control{
		SystemID: s.disk.systemID, State: s.disk.state, DataChecksums: true, WALLogHints: true,
		CheckpointLSN: s.disk.checkpoint.start, CheckpointTimeline: s.disk.checkpoint.on.timeline,
		MaxConnections: 100, MaxWorkerProcesses: 8, MaxWALSenders: 10, MaxLocksPerTransaction: 64,
		CatalogVersion: 202209061, WALBlockSize: 8192, WALSegmentSize: 16 << 20,
	}
	if s.disk.state == inArchiveRecovery || s.disk.state == shutDownInRecovery {
		c.MinRecoveryLSN, c.MinRecoveryTimeline = s.disk.applied.end, s.disk.applied.on.timeline
	}
	return c
}

// History is the content of the history file of tl.
func (s *Server) History(_ context.Context, tl postgres.Timeline) ([]postgres.HistoryLine, error) {
	s.net.lock()
	defer s.net.mu.Unlock()
	if tl <= 1 {
		return nil, nil
	}
	if s.disk.head == nil || s.disk.head.on.of(tl) == nil {
		return nil, errors.New("postgrestest: there is no history file of that timeline")
	}
	return s.disk.head.on.of(tl).history(), nil
}
