package ha

import (
	"fmt"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// RestartFilter says which servers a restart is for. The zero value fits all.
type RestartFilter struct {
	Role    string // "primary", "replica" or "standby_leader"; empty: any
	Version int    // only a server that is older; as server_version_num, 0: any
	Pending bool   // only one with settings that wait for a restart
}

// Fits says whether a restart is for the server s of a member with that role.
func (f RestartFilter) Fits(role string, s postgres.Status) bool {
	return (f.Role == "" || f.Role == role) &&
		(f.Version == 0 || s.ServerVersion == 0 || s.ServerVersion < f.Version) &&
		(!f.Pending || len(s.Pending) > 0)
}

// ScheduledRestart is a restart at a later time. It is made if the filter fits
// then, unless the server was restarted before.
type ScheduledRestart struct {
	At      time.Time // zero: none is scheduled
	Filter  RestartFilter
	Timeout time.Duration // how long the start may take; 0: primary_start_timeout
	Server  time.Time     // start of the server that it is for; zero: unknown. ScheduleRestart sets it
}

// entry is what the member's entry says of it, in the words of POST /restart.
func (q ScheduledRestart) entry() map[string]any {
	if q.At.IsZero() {
		return nil
	}
	entry := map[string]any{"schedule": dcs.FormatTime(q.At), "postmaster_start_time": nil}
	if !q.Server.IsZero() {
		entry["postmaster_start_time"] = strings.Replace(dcs.FormatTime(q.Server.UTC()), "T", " ", 1)
	}
	if q.Filter.Role != "" {
		entry["role"] = q.Filter.Role
	}
	if q.Filter.Version != 0 {
		entry["postgres_version"] = versionText(q.Filter.Version)
	}
	if q.Filter.Pending {
		entry["restart_pending"] = true
	}
	if q.Timeout != 0 {
		entry["timeout"] = q.Timeout.Seconds()
	}
	return entry
}

// versionText is server_version_num as people write it.
func versionText(n int) string {
	if n < 100000 {
		return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
	}
	return fmt.Sprintf("%d.%d", n/10000, n%10000)
}

// awaitRestart looks again when the scheduled restart is due.
func awaitRestart(v view, d decision) decision {
	if wait := v.Request.Scheduled.At.Sub(v.Wall); wait > 0 {
		return d.within(v, wait)
	}
	return d
}

// scheduledRestart makes the restart that is due, in the way of r, or drops one
// that isn't wanted any more. It returns false if there is nothing to do yet.
func scheduledRestart(v view, r run) (decision, bool) {
	q, s := v.Request.Scheduled, v.Server
	late := v.Wall.Sub(q.At)
	drop := func(format string, args ...any) (decision, bool) {
		return say(v, "restart/dropped", format, args...).with(unschedule{q}).within(v, 0), true
	}
	switch {
	case q.At.IsZero() || v.Job.running():
		return decision{}, false
	case !q.Server.IsZero() && !s.StartedAt.IsZero() && !q.Server.Equal(s.StartedAt):
		return drop("Cancelling scheduled restart: postgres restart has already happened at %s", dcs.FormatTime(s.StartedAt))
	case late < 0 || v.Settings.Pause:
		return decision{}, false
	case late > v.Settings.LoopWait*3/2:
		return drop("Found a stale restart value, cleaning up: %s", dcs.FormatTime(q.At))
	case s.State != postgres.StateRunning:
		return decision{}, false // it may be up in time
	case !q.Filter.Fits(restartRole(v), s):
		return drop("Scheduled restart: restart conditions are not satisfied")
	}
	r.Timeout = q.Timeout
	if r.Timeout == 0 {
		r.Timeout = max(v.Settings.PrimaryStartTimeout, leastRestartTimeout)
	}
	return say(v, "restart/scheduled", "restarting as scheduled for %s", dcs.FormatTime(q.At)).with(unschedule{q}, r).within(v, 0), true
}

// leastRestartTimeout is for a primary_start_timeout of zero, which means that
// somebody else leads after a crash and not that a start takes no time.
const leastRestartTimeout = time.Minute

// restartRole is the role that the filter of a restart asks for.
func restartRole(v view) string {
	if v.Server.Role == postgres.RoleReplica && v.Settings.Standby() && v.Term.held() {
		return "standby_leader"
	}
	return string(v.Server.Role)
}
