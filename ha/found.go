package ha

import (
	"context"
	"slices"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// A server that ran before its guard did, because that one is new here or the one
// before died, is stopped after a while unless an agent speaks for it.

// answerGuard speaks for a standby that the guard found running. No agent of ours
// started it, or none that is known, so that it must say itself that nobody has asked
// for its promotion. From then on the guard lets nothing but a standby run, and notices
// a request.
func answerGuard(v view, d decision) decision {
	speaks := v.Server.PID == 0 || v.Guard.Unasked && harmless(v)
	if !speaks { // also where a grant is given up that can't be armed
		d.Actions = slices.DeleteFunc(slices.Clone(d.Actions), func(a action) bool { return a == disarm{} })
	}
	switch {
	case v.Term.held() || does[acquire](d):
		return d // an arm answers it
	case !speaks:
		return d.within(v, slowPoll)
	}
	d.Actions = append([]action{disarm{}}, d.Actions...)
	return d.within(v, slowPoll) // until the guard has taken it
}

// speak answers the guard before anything else that may take long: no store is needed
// for it. It says whether there was an answer.
func (a *Agent) speak(ctx context.Context, v view) bool {
	speaks := v.Guard.asks() && does[disarm](decide(v))
	if speaks {
		a.logAction(ctx, disarm{}, a.disarm(ctx, v))
	}
	return speaks
}

// unasked asks a standby that the guard found whether a promotion is under way.
func (a *Agent) unasked(ctx context.Context, v view) bool {
	const what = "look for a promotion"
	s := v.Server
	if !v.Guard.asks() || s.State != postgres.StateRunning || s.Role != postgres.RoleReplica {
		return false
	}
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	asked, err := a.cfg.PostgreSQL.Promoting(ctx)
	if err != nil && !a.failing[what] {
		a.log.Warn("a standby runs that the guard didn't start, and it can't be told whether it is being promoted: the guard stops it soon", "error", err)
	}
	a.failing[what] = err != nil
	return err == nil && !asked
}

// disarm tells the guard that nothing that may be writable runs. What a guard answers
// about a server that it found is news, and ends no cycle.
func (a *Agent) disarm(ctx context.Context, v view) error {
	err := a.fencing.disarm(ctx)
	if err == nil || !v.Guard.asks() {
		return err
	}
	if !a.failing["disarm"] {
		a.log.Warn("the guard keeps the deadline of the server that it found", "reason", err)
	}
	a.failing["disarm"] = true
	return nil
}
