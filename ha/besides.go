package ha

import (
	"context"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// Kinds of errands.
const (
	errandSlots   = "slots"
	errandReload  = "reload"
	errandNudge   = "nudge"
	errandHistory = "history"
	errandRewind  = "look whether pg_rewind can be tried"
)

// syncSlots keeps the members' slots.
func (a *Agent) syncSlots(ctx context.Context, s syncSlots) {
	limit := a.settings.TTL
	a.errands.send(errandSlots, func() error {
		ctx, cancel := clock.WithTimeout(ctx, a.clock, limit)
		defer cancel()
		return a.cfg.PostgreSQL.SyncSlots(ctx, s.Wanted, s.Gone)
	})
}

// nudge makes a standby try its upstream again.
func (a *Agent) nudge(ctx context.Context) {
	a.errands.send(errandNudge, func() error { return a.cfg.PostgreSQL.Nudge(ctx) })
}

// reload makes a running server read its configuration anew, if that was asked for. No
// job that writes the configuration's files runs meanwhile.
func (a *Agent) reload(ctx context.Context, v view) {
	if v.Server.State != postgres.StateRunning || v.Job.running() || a.errands.isAway(errandReload) || !a.requests.takeReload() {
		return
	}
	role, limit := string(v.Server.Role), a.settings.TTL
	a.errands.send(errandReload, func() error {
		ctx, cancel := clock.WithTimeout(ctx, a.clock, limit)
		defer cancel()
		if err := a.cfg.PostgreSQL.Reload(ctx); err != nil {
			return err
		}
		a.tell(EventReload, role)
		return nil
	})
}

// ownHistory is the history file of our timeline, read once for each.
func (a *Agent) ownHistory(ctx context.Context, tl postgres.Timeline) []postgres.HistoryLine {
	if tl == a.historyOf {
		return a.history
	}
	if tl <= 1 {
		a.history, a.historyOf = nil, tl
		return nil
	}
	var history []postgres.HistoryLine
	err := a.errands.await(ctx, errandHistory, a.settings.Timing().RequestTimeout(), func() (err error) {
		history, err = a.cfg.PostgreSQL.History(ctx, tl)
		return err
	})
	if err != nil {
		return nil // it may still be on its way; the next cycle asks again
	}
	a.history, a.historyOf = history, tl
	return history
}

// canRewind says why pg_rewind can't be tried; empty: it can.
func (a *Agent) canRewind(ctx context.Context) string {
	err := a.errands.await(ctx, errandRewind, a.settings.Timing().RequestTimeout(), func() error {
		return a.cfg.PostgreSQL.CanRewind(ctx)
	})
	if err != nil {
		return err.Error()
	}
	return ""
}
