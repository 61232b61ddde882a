package rest

import (
	"net/http"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// health answers every path that has no route of its own.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	report, now := s.agent.Report(), s.clock.Now()
	f := factsAt(report, now)
	status := check(r.URL.Path, query(r.URL.Query()), f)
	if r.Method != http.MethodGet {
		bare(w, status)
		return
	}
	document(w, status, s.statusOf(report, f, now))
}

// liveness fails when the agent has stopped to look, so that a supervisor
// restarts it.
func (s *Server) liveness(w http.ResponseWriter, _ *http.Request) {
	report := s.agent.Report()
	next := nextLook(report)
	if report.CycleAt.IsZero() {
		next = s.started
	}
	settings := settingsOf(report)
	limit := 2 * settings.TTL
	if report.Server.State == postgres.StateRunning && report.Server.Role == postgres.RolePrimary {
		limit = settings.TTL
	}
	bare(w, okIf(settings.Pause || s.clock.Now().Before(next.Add(limit))))
}

// readiness fails on a replica that doesn't stream or lags.
func (s *Server) readiness(w http.ResponseWriter, r *http.Request) {
	report := s.agent.Report()
	bare(w, okIf(ready(report, factsAt(report, s.clock.Now()), query(r.URL.Query()))))
}

func ready(r ha.Report, f facts, q query) bool {
	if f.leads {
		return true
	}
	position := f.replayed
	if mode, _ := q.first("mode"); mode == "write" {
		position = f.received
	}
	informed := f.view || r.Server.Receiver != nil && r.Server.Receiver.LatestEnd > 0 || f.failsafe
	return f.state == stateRunning && f.replication == replicationStreaming && !f.diverged && informed &&
		!lags(f.leaderAt, position, q.bytes("lag", f.lag))
}

func okIf(good bool) int {
	if good {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}
