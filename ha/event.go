package ha

import "github.com/regent-ha/regent/postgres"

// Event is something that happened to the server, by the names that Patroni's
// callbacks have.
type Event string

// Events.
const (
	EventStart      Event = "on_start"       // it is up, in the role that it had or in its first
	EventStop       Event = "on_stop"        // the agent has stopped it
	EventRestart    Event = "on_restart"     // it was restarted on request
	EventReload     Event = "on_reload"      // it has read its configuration anew
	EventRoleChange Event = "on_role_change" // it is up in another role than before
)

// watched is what the agent has last seen of its server, to tell what happened.
type watched struct {
	up   bool
	role postgres.Role // while up, and after that
}

// happened tells what has become of the server since it was looked at last, and
// the role to name.
func (w *watched) happened(v view) (events []Event, role string) {
	s := v.Server
	up := s.State == postgres.StateRunning && s.Role != postgres.RoleNone
	before := *w
	w.up = up || before.up && s.PID != 0
	if up {
		w.role = s.Role
	}
	switch {
	case up && before.role != postgres.RoleNone && before.role != s.Role:
		return []Event{EventRoleChange}, string(s.Role)
	case v.Job.ended(jobRestart) && v.Job.Err == "":
		return []Event{EventRestart}, string(w.role)
	case v.Job.running() && v.Job.Kind == jobRestart:
		return nil, ""
	case up && !before.up:
		return []Event{EventStart}, string(s.Role)
	case before.up && s.PID == 0 && (v.Job.ended(jobStop) || v.Job.ended(jobHandOver)):
		return []Event{EventStop}, demotedRole(before.role)
	}
	return nil, ""
}

// demotedRole is how a stopped server's role is named: a primary that was
// stopped is demoted.
func demotedRole(role postgres.Role) string {
	if role == postgres.RolePrimary {
		return "demoted"
	}
	return string(role)
}
