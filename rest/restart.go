package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/internal/value"
	"github.com/regent-ha/regent/postgres"
)

// restartRequest is the body of POST /restart.
type restartRequest struct {
	filter  ha.RestartFilter
	at      time.Time     // zero: now
	timeout time.Duration // 0: primary_start_timeout
}

// restart answers POST /restart, once the server is up again.
func (s *Server) restart(w http.ResponseWriter, r *http.Request) {
	body, ok := s.readObject(w, r, true)
	if !ok {
		return
	}
	report := s.agent.Report()
	asked, refused := parseRestart(body, report)
	switch {
	case refused != nil:
	case !asked.at.IsZero():
		refused = s.restartLater(asked)
	case !asked.filter.Fits(roleOf(report, s.clock.Now()), report.Server):
		refused = refuse(http.StatusServiceUnavailable, "restart conditions are not satisfied")
	case report.Job != "":
		refused = refuse(http.StatusServiceUnavailable, "%s already in progress", report.Job)
	default:
		refused = s.restartNow(r.Context(), asked, report)
	}
	sentence(w, refused.status, refused.text)
}

func parseRestart(body map[string]any, report ha.Report) (restartRequest, *refusal) {
	var q restartRequest
	names := make([]string, 0, len(body))
	for name := range body {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if refused := q.set(name, body[name], report); refused != nil {
			return q, refused
		}
	}
	return q, nil
}

func (q *restartRequest) set(name string, v any, report ha.Report) *refusal {
	switch name {
	case "schedule":
		if settingsOf(report).Pause {
			return refuse(http.StatusInternalServerError, "Can't schedule restart in the paused state")
		}
		var refused *refusal
		text, _ := v.(string)
		q.at, refused = parseSchedule(text, "restart", time.Now())
		return refused
	case "role":
		role, _ := v.(string)
		if role == "master" {
			role = rolePrimary
		}
		if role != rolePrimary && role != roleStandbyLeader && role != roleReplica {
			return refuse(http.StatusBadRequest, "PostgreSQL role should be either primary, standby_leader, or replica")
		}
		q.filter.Role = role
	case "postgres_version":
		n, ok := parseVersion(fmt.Sprint(v))
		if !ok {
			return refuse(http.StatusBadRequest, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: %v", v)
		}
		q.filter.Version = n
	case "timeout":
		d, err := value.Duration(decoded(v), time.Second)
		if err != nil || d <= 0 {
			return refuse(http.StatusBadRequest, "Timeout should be a positive number of seconds")
		}
		q.timeout = d
	case "restart_pending":
		q.filter.Pending = true
	default:
		return refuse(http.StatusBadRequest, "Unknown filter for the scheduled restart: %s", name)
	}
	return nil
}

// decoded is a number of JSON as package value knows it.
func decoded(v any) any {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return v
}

func (s *Server) restartNow(ctx context.Context, q restartRequest, report ha.Report) *refusal {
	timeout := q.timeout
	if timeout == 0 {
		timeout = max(settingsOf(report).PrimaryStartTimeout, time.Minute)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := s.agent.Restart(ctx)
	switch {
	case err == nil:
		return refuse(http.StatusOK, "restarted successfully")
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil && s.agent.Report().Server.State != postgres.StateStopped:
		return refuse(http.StatusServiceUnavailable, "postgres is still starting")
	}
	s.log.Warn("the restart that was asked for failed", "error", err)
	return refuse(http.StatusServiceUnavailable, "restart failed")
}

// restartLater notes the restart. Whether the filters fit is seen when it is due.
func (s *Server) restartLater(q restartRequest) *refusal {
	if !s.agent.ScheduleRestart(ha.ScheduledRestart{At: q.at, Filter: q.filter, Timeout: q.timeout}) {
		return refuse(http.StatusConflict, "Another restart is already scheduled")
	}
	return refuse(http.StatusAccepted, "Restart scheduled")
}

// unscheduleRestart answers DELETE /restart.
func (s *Server) unscheduleRestart(w http.ResponseWriter, _ *http.Request) {
	if s.agent.UnscheduleRestart() {
		sentence(w, http.StatusOK, "scheduled restart deleted")
		return
	}
	sentence(w, http.StatusNotFound, "no restarts are scheduled")
}

// reload answers POST /reload.
func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	s.agent.Reload()
	sentence(w, http.StatusAccepted, "reload scheduled")
}

// reinitializeTimeout bounds the time until the work has begun or was refused.
const reinitializeTimeout = 30 * time.Second

// reinitialize answers POST /reinitialize.
func (s *Server) reinitialize(w http.ResponseWriter, r *http.Request) {
	body, ok := s.readObject(w, r, true)
	if !ok {
		return
	}
	flag := func(name string) bool {
		on, err := value.Bool(decoded(body[name]))
		return err == nil && on
	}
	ctx, cancel := context.WithTimeout(r.Context(), reinitializeTimeout)
	defer cancel()
	if err := s.agent.Reinitialize(ctx, flag("force"), flag("from_leader")); err != nil {
		sentence(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	sentence(w, http.StatusOK, "reinitialize started")
}

// parseVersion reads a version of PostgreSQL, as 9.5.2 or 15.4, as a number like
// server_version_num.
func parseVersion(text string) (n int, ok bool) {
	parts := strings.Split(text, ".")
	numbers := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 99 && i > 0 || n > 9999 {
			return 0, false
		}
		numbers[i] = n
	}
	switch {
	case len(parts) == 2 && numbers[0] >= 10:
		return numbers[0]*10000 + numbers[1], true
	case len(parts) == 2:
		return numbers[0]*10000 + numbers[1]*100, true
	case len(parts) == 3 && numbers[0] < 10:
		return numbers[0]*10000 + numbers[1]*100 + numbers[2], true
	}
	return 0, false
}
