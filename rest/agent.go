package rest

import (
	"context"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// Agent is what the server serves. *ha.Agent is one.
type Agent interface {
	// Report is what the agent knows. It doesn't wait for anything.
	Report() ha.Report
	// Refresh is Report with the server's state of this moment.
	Refresh(ctx context.Context) ha.Report
	// Decisions are the last different decisions, oldest first.
	Decisions() []ha.Decision
	// Views are fewer of them, each with all that it was made from.
	Views() ([]ha.Decision, error)
	// Restart returns when the server is up again.
	Restart(ctx context.Context) error
	// ScheduleRestart returns false if one is scheduled already.
	ScheduleRestart(q ha.ScheduledRestart) bool
	// UnscheduleRestart returns false if none is scheduled.
	UnscheduleRestart() bool
	// Reinitialize returns when the work has begun or was refused.
	Reinitialize(ctx context.Context, force, fromLeader bool) error
	// Reload reads the local configuration anew.
	Reload()
	// Pledge gives our word to a leader that has lost the store.
	Pledge(ctx context.Context, r ha.PledgeRequest) (ha.PledgeAnswer, error)
	// Client is the handle on the cluster in the store.
	Client() *dcs.Client
	// Wake makes the agent look again at once.
	Wake()
}

var _ Agent = (*ha.Agent)(nil)
