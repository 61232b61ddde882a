package ha

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// office is our time as leader. The loop changes it; the lease timer and those
// who ask for our health read it at any moment.
type office struct {
	agent *Agent
	mu    sync.Mutex
	term  term
	moved chan struct{} // gets a hint when the term or the pledges changed

	endLeadership context.CancelFunc // of the context for Hooks.Leading; nil: none was given
}

func (o *office) init(a *Agent) {
	o.agent = a
	o.moved = make(chan struct{}, 1)
}

func (o *office) get() term {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.term
}

func (o *office) set(t term) {
	o.mu.Lock()
	o.term = t
	o.mu.Unlock()
	o.hint()
}

// hint makes the lease timer look at its deadline again.
func (o *office) hint() {
	select {
	case o.moved <- struct{}{}:
	default:
	}
}

// unarmed is called when the guard is gone: what it acknowledged is worth
// nothing until another one does. Its plan still bounds us.
func (o *office) unarmed() {
	t := o.get()
	t.Armed = 0
	o.set(t)
}

// look is the term as it is at now. One that is over by time alone, with no
// pledges behind it and its server stopped by the timer, is dropped: nothing of
// it counts any more, and the store has no say in that.
func (o *office) look(now clock.Instant) term {
	t := o.get()
	if t.held() && !now.Before(t.Plan.End) && !o.agent.pledges.look().bind(now) {
		o.agent.log.Warn("the lease has run out without a renewal")
		o.end()
		return term{}
	}
	return t
}

// end is the end of our term, whatever the store thinks.
func (o *office) end() {
	o.set(term{})
	o.agent.pledged.acquired(false)
	o.endLeading()
}

// endLeading ends the context that the embedder got, if it did.
func (o *office) endLeading() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.endLeadership != nil {
		o.endLeadership()
		o.endLeadership = nil
	}
}

// permit allows one effect that makes the server writable, under the arm that
// the guard acknowledged last, and writes down that it may be.
func (o *office) permit(notAfter clock.Instant) (postgres.Permit, error) {
	t := o.get()
	a := o.agent
	notAfter = clock.Earliest(notAfter, t.Plan.Timer)
	switch {
	case !t.held():
		return postgres.Permit{}, errors.New("ha: there is no lease to be primary under")
	case t.Armed == 0 && !a.fencing.off():
		return postgres.Permit{}, errors.New("ha: the guard has not acknowledged the lease")
	case !a.clock.Now().Before(notAfter):
		return postgres.Permit{}, errors.New("ha: the lease is too near to its end to become primary")
	}
	if a.pledged.look().binds(a.clock.Now()) {
		return postgres.Permit{}, errors.New("ha: a pledge to another leader binds us")
	}
	t.Writable = t.Lease.ID
	if err := a.writeDown(t); err != nil {
		return postgres.Permit{}, err
	}
	if !o.markWritable(t.Lease.ID) {
		return postgres.Permit{}, errors.New("ha: the lease has ended meanwhile")
	}
	return postgres.Permit{Number: t.Armed, NotAfter: notAfter}, nil
}

// markWritable notes that the server may be writable under a grant, if that is
// still ours: a job asks for its permit beside the loop, which may have renewed
// the lease or lost it since.
func (o *office) markWritable(grant string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.term.Lease.ID != grant {
		return false
	}
	o.term.Writable = grant
	o.hint()
	return true
}

// acquire tries for the leader key. From before the request until the grant has
// ended no pledge is given.
func (a *Agent) acquire(ctx context.Context, v view) error {
	if err := a.pledged.acquiring(a.clock.Now()); err != nil {
		return err
	}
	a.stale = true
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	lease, err := a.client.Acquire(ctx)
	if err != nil {
		held := errors.Is(err, dcs.ErrHeld)
		if held {
			a.pledged.acquired(false)
		}
		a.office.set(term{Unsettled: !held})
		return fmt.Errorf("ha: acquire the leader key: %w", err)
	}
	a.shrunk = false
	t := term{Lease: lease}
	if v.Server.Role == postgres.RolePrimary && v.Pledges.bind(a.clock.Now()) {
		t.Writable = lease.ID // it never stopped being the only primary
	}
	return a.confirm(ctx, t, a.settings.Timing().Plan(lease))
}

// confirm makes a grant or its renewal count: it is written down, then the guard
// is armed with it. Without the guard's word the term keeps the plan it had.
func (a *Agent) confirm(ctx context.Context, t term, plan dcs.Plan) error {
	before := t.Plan
	t.Plan = plan
	if err := a.writeDown(t); err != nil {
		t.Plan = before
		a.office.set(t)
		return err
	}
	number, err := a.fencing.arm(ctx, t.Lease.ID, plan)
	if err != nil {
		t.Plan = before
		a.office.set(t)
		return fmt.Errorf("ha: the guard did not acknowledge the lease: %w", err)
	}
	t.Armed = number
	a.office.set(t)
	a.office.beginLeadership(t)
	return nil
}

// renew extends the lease, with the documents that only a leader writes.
func (a *Agent) renew(ctx context.Context, docs []dcs.Write) error {
	t := a.office.get()
	if !t.held() {
		return errors.New("ha: there is no lease to renew")
	}
	if err := a.armEarlier(ctx, &t); err != nil {
		return err
	}
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	lease, err := a.client.Renew(ctx, t.Lease, docs...)
	switch {
	case errors.Is(err, dcs.ErrLost):
		a.stale = true
		a.office.end()
		a.forget()
		return fmt.Errorf("ha: renew the lease: %w", err)
	case err != nil && !errors.Is(err, dcs.ErrConflict):
		t.Unknown = true
		a.office.set(t)
		return fmt.Errorf("ha: renew the lease: %w", err)
	}
	if t.Writable == t.Lease.ID {
		t.Writable = lease.ID // a smaller or larger TTL moved the key to a new grant of ours
	}
	t.Lease, t.Unknown, t.Resumed = lease, false, false
	a.shrunk = false
	if confirmErr := a.confirm(ctx, t, a.settings.Timing().Plan(lease)); confirmErr != nil {
		return confirmErr
	}
	if err != nil {
		a.stale = true
		return fmt.Errorf("ha: renew the lease: %w", err)
	}
	return nil
}

// armEarlier arms the guard with the earlier of both ends before a request that
// may shorten the grant is sent.
func (a *Agent) armEarlier(ctx context.Context, t *term) error {
	if !a.shrunk {
		return nil
	}
	plan := a.settings.Timing().PlanFor(a.clock.Now(), a.settings.TTL)
	if plan.Kill.After(t.Plan.Kill) {
		return nil
	}
	return a.confirm(ctx, *t, plan)
}

// release ends the lease. It counts as ended from the moment it is sent.
func (a *Agent) release(ctx context.Context, docs []dcs.Write) error {
	t := a.office.get()
	if !t.held() {
		return nil
	}
	a.stale = true
	a.office.end()
	a.pledged.held(t.Lease.End())
	a.forget()
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	err := a.client.Release(ctx, t.Lease, docs...)
	if errors.Is(err, dcs.ErrConflict) {
		err = a.client.Release(ctx, t.Lease)
	}
	if err == nil || errors.Is(err, dcs.ErrLost) {
		a.pledged.acquired(false)
		return nil
	}
	a.log.Warn("the release of the leader key got no answer: it ends by itself", "error", err)
	return nil
}

// beginLeadership tells the embedder, once a term.
func (o *office) beginLeadership(t term) {
	hook := o.agent.cfg.Hooks.Leading
	if hook == nil || t.Writable != t.Lease.ID {
		return
	}
	o.mu.Lock()
	if o.endLeadership != nil {
		o.mu.Unlock()
		return
	}
	leading, end := context.WithCancel(context.Background())
	o.endLeadership = end
	o.mu.Unlock()
	hook(leading)
}

// watchTimer is the lease timer: at the agent's own deadline, one step before
// the guard's, it ends clients and demotes, whatever the loop is doing.
func (o *office) watchTimer(ctx context.Context) {
	for {
		deadline := o.deadline()
		timer := o.agent.clock.NewTimer(deadline)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-o.moved:
			timer.Stop()
			continue
		case <-timer.C():
		}
		if now := o.agent.clock.Now(); now.Before(o.deadline()) {
			continue
		}
		o.expire(ctx)
		select {
		case <-o.moved: // until then there is nothing more to do at this deadline
		case <-ctx.Done():
			return
		}
	}
}

// never is later than any lease.
const never = clock.Instant(1<<63 - 1)

// deadline is when the lease timer goes off.
func (o *office) deadline() clock.Instant {
	t := o.get()
	if t.Writable == "" || !t.held() {
		return never
	}
	return max(t.Plan.Timer, o.agent.pledges.look().Plan.Timer)
}

// expire stops the server because nothing says any more that we may lead.
func (o *office) expire(ctx context.Context) {
	t := o.get()
	a := o.agent
	a.log.Warn("the lease was not renewed in time: stopping PostgreSQL")
	a.jobs.cancel()
	o.endLeading()
	left := max(t.Plan.Kill.Sub(a.clock.Now()), 0)
	if err := a.cfg.PostgreSQL.Stop(ctx, postgres.Stop{Mode: postgres.StopFast, Escalate: left / 2}); err != nil {
		a.log.Error("PostgreSQL could not be stopped: its guard does it", "error", err)
		return
	}
	if o.get().Lease == t.Lease {
		t.Writable = ""
		o.set(t)
	}
	a.Wake()
}
