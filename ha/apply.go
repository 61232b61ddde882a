package ha

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// apply does what was decided, in order, until something fails. It returns when
// to look again.
func (a *Agent) apply(ctx context.Context, v view, d decision) (clock.Instant, error) {
	a.memory = d.Memory
	for _, act := range d.Actions {
		err := a.do(ctx, v, act)
		if errors.Is(err, errLeave) {
			return 0, err
		}
		a.logAction(ctx, act, err)
		if err != nil {
			a.memory = afterFailure(v, d, act, err)
			return a.clock.Now().Add(failurePause(err)), nil
		}
	}
	return clock.Earliest(d.Next, v.Now.Add(a.settings.LoopWait)), nil
}

// do carries out one action.
func (a *Agent) do(ctx context.Context, v view, act action) error {
	switch act := act.(type) {
	case acquire:
		return a.acquire(ctx, v)
	case renew:
		return a.renew(ctx, act.Docs)
	case release:
		return a.release(ctx, act.Docs)
	case disarm:
		return a.disarm(ctx, v)
	case touch:
		return a.touch(ctx, act.Member)
	case put:
		return a.put(ctx, act.Write)
	case startPrimary:
		return a.jobs.brief(ctx, run{Kind: jobStart, NotAfter: act.NotAfter})
	case startStandby:
		return a.jobs.brief(ctx, run{Kind: jobStart, Standby: true, Up: act.Up})
	case promote:
		return a.jobs.brief(ctx, run{Kind: jobPromote, NotAfter: act.NotAfter, Again: act.Again})
	case checkpoint:
		a.checkpoints.start(ctx, a)
		return nil
	case nudge:
		a.nudge(ctx)
		return nil
	case syncSlots:
		a.syncSlots(ctx, act)
		return nil
	case run:
		return a.jobs.start(ctx, act)
	case cancelJob:
		a.jobs.cancel()
		return nil
	case ask:
		a.peers.ask(ctx, act.Members)
		return nil
	case askPledges:
		a.pledges.ask(ctx, a, act.Members)
		return nil
	case answer:
		a.requests.answer(act)
		return nil
	case unschedule:
		a.requests.unschedule(act.Restart)
		return nil
	case leave:
		return errLeave
	}
	panic(fmt.Sprintf("ha: an action that nothing carries out: %T", act))
}

// touch publishes our entry. A store that is silent must not keep a leader from
// renewing its lease, or from asking for pledges.
func (a *Agent) touch(ctx context.Context, m dcs.Member) error {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	err := a.client.Touch(ctx, m)
	a.stale = a.stale || err != nil
	return err
}

func (a *Agent) put(ctx context.Context, w dcs.Write) error {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	a.stale = true
	if w.Value == nil {
		return a.client.Delete(ctx, w.Key, w.Prev)
	}
	_, err := a.client.Put(ctx, w)
	return err
}

// logAction says what was done. What every cycle does is said only on failure.
func (a *Agent) logAction(ctx context.Context, act action, err error) {
	level := slog.LevelInfo
	switch act.(type) {
	case touch, renew, ask, askPledges, nudge, syncSlots, disarm:
		level = slog.LevelDebug
	}
	kind, what := fmt.Sprintf("%T", act), conceal(act.String())
	if err == nil {
		delete(a.failing, kind)
		word := "done: "
		if a.goesOn(act) {
			word = "begun: "
		}
		a.log.Log(ctx, level, word+what)
		return
	}
	if a.failing[kind] {
		a.log.Debug("failed again: "+what, "error", err)
		return
	}
	if errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrConflict) {
		a.log.Info("refused: "+what, "reason", err)
		return
	}
	a.failing[kind] = true // said once, until it works again
	a.log.Warn("failed: "+what, "error", err)
}

// goesOn says whether an action that was begun is still under way, as the one job.
func (a *Agent) goesOn(act action) bool {
	switch act.(type) {
	case run:
		return true
	case startPrimary, startStandby, promote:
		return a.jobs.look().running()
	}
	return false
}

// afterFailure is the memory after a decision whose action failed: what the
// decision assumed didn't happen, and what keeps failing is paced.
func afterFailure(v view, d decision, act action, err error) memory {
	m := remember(v)
	switch act.(type) {
	case touch:
		// The last of the actions: all before it were done.
		m = d.Memory
		m.LastTouch, m.Touched = v.Memory.LastTouch, ""
	case startPrimary, startStandby:
		m.Starts = m.Starts.failed(v.Now, err.Error())
	case promote:
		m = promoted(m, v.Now, err)
	}
	return m
}

// failurePause is how soon to look again after an action failed: at once when
// somebody else was faster, else after a moment.
func failurePause(err error) time.Duration {
	if errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrConflict) || errors.Is(err, dcs.ErrLost) {
		return 0
	}
	return 2 * slowPoll
}

// tell calls the embedder's hook.
func (a *Agent) tell(e Event, role string) {
	if hook := a.cfg.Hooks.Server; hook != nil {
		a.teller.say(func() { hook(e, role) })
	}
}

// report keeps what was decided for those who ask, and says it once when it changes.
func (a *Agent) report(v view, d decision) {
	a.reports.add(v, d, a)
	if said := d.ID + " " + d.Reason; said != a.said {
		a.said = said
		a.log.Info(d.Reason, "rule", d.ID)
	}
	events, role := a.watched.happened(v)
	for _, e := range events {
		a.tell(e, role)
	}
	if hook := a.cfg.Hooks.Cycle; hook != nil {
		last := a.reports.last()
		a.teller.say(func() { hook(last) })
	}
}
