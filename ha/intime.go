package ha

import (
	"time"

	"github.com/regent-ha/regent/postgres"
)

// demoteWithin is in what time a server is gone that nothing allows to run: a second for
// its clients' end, one for an immediate shutdown, and the rest to look.
const demoteWithin = 3 * time.Second

// inTime bounds the stop of a server that may take writes, and what the user wants to be
// run before that: it is gone when the guard would kill it, and without a right to lead
// at once. A standby's stop is in no hurry.
func inTime(v view, s postgres.Stop) postgres.Stop {
	kill := v.Pledges.Plan.Kill
	if v.Term.held() {
		kill = max(kill, v.Term.Plan.Kill)
	}
	standby := v.Server.Role == postgres.RoleReplica || v.Server.Role == postgres.RoleNone && v.Server.Standby
	switch {
	case standby && v.Memory.Promoting.IsZero():
	case v.Now.Before(kill):
		s.Within = kill.Sub(v.Now)
	default:
		s.Within, s.AtOnce = demoteWithin, true
	}
	return s
}
