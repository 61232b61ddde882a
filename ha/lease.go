package ha

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// What the agent asks of the store about its lease, and what then counts.

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
	before := a.office.get() // a term whose key is gone, or none
	if err != nil {
		var refused *dcs.RefusedError
		byNobody := errors.As(err, &refused) && refused.Holder == nil
		if !before.Gone || !byNobody { // nobody is given the key yet: the pledges still bind
			a.notAcquired(before, errors.Is(err, dcs.ErrHeld))
		}
		return fmt.Errorf("ha: acquire the leader key: %w", err)
	}
	a.shrunk = false
	led := v.Server.Role == postgres.RolePrimary || before.Gone && before.Writable == before.Lease.ID
	writable := led && v.Pledges.bind(a.clock.Now())
	plan := a.settings.Timing().Plan(lease)
	err = a.confirm(ctx, before.Lease.ID, plan, func(t *term) {
		// Without the guard's word nothing may rest on it, and it is armed again or
		// given back.
		*t = term{Lease: lease, First: lease.ID, Plan: plan}
		if writable {
			// It never stopped being the only primary, by the pledges until it is armed.
			t.Writable, t.Plan = lease.ID, v.Pledges.Plan
		}
	})
	if err != nil {
		a.Wake()
	}
	return err
}

// notAcquired is for a try for the leader key that was refused, since another has it, or
// got no answer. A term whose key is gone goes on by the pledges while nobody has it.
func (a *Agent) notAcquired(before term, held bool) {
	switch {
	case held && before.Gone:
		a.pledges.end()
		a.office.end()
		a.forget()
	case held:
		a.pledged.acquired(false)
		a.office.set(term{})
	case before.Gone:
		_ = a.office.change(before.Lease.ID, func(t *term) { t.Unsettled = true }) // else it has ended
	default:
		a.office.set(term{Unsettled: true})
	}
}

// confirm makes a grant or its renewal count, which edit puts into the term of the
// grant before ("": there was none): it is written down, then the guard is armed
// with it. Without the guard's word the term keeps the plan it had.
func (a *Agent) confirm(ctx context.Context, before string, plan dcs.Plan, edit func(*term)) error {
	defer a.office.takeTurn()()
	t := a.office.get()
	if t.Lease.ID != before {
		return errEnded
	}
	edit(&t)
	t.Plan = plan
	number, err := a.secure(ctx, t, a.pledges.look().Plan)
	if err != nil {
		return errors.Join(err, a.office.change(before, edit))
	}
	err = a.office.change(before, func(t *term) {
		edit(t)
		t.Plan, t.Armed = plan, number
	})
	if err == nil {
		a.office.beginLeadership(a.office.get())
	}
	return err
}

// renew extends the lease, with the documents that only a leader writes.
func (a *Agent) renew(ctx context.Context, docs []dcs.Write) error {
	t := a.office.get()
	if !t.held() {
		return errors.New("ha: there is no lease to renew")
	}
	if err := a.armEarlier(ctx, t); err != nil {
		return err
	}
	sent, changesMap := mapWrite(docs)
	if changesMap {
		if err := a.announceMap(ctx, t.Lease.ID, sent); err != nil {
			return err
		}
	}
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	lease, err := a.client.Renew(ctx, t.Lease, docs...)
	switch {
	case errors.Is(err, dcs.ErrLost):
		a.stale = true
		a.lost(ctx, t, err)
		return fmt.Errorf("ha: renew the lease: %w", err)
	case err != nil && !errors.Is(err, dcs.ErrConflict):
		a.stale = true
		return errors.Join(fmt.Errorf("ha: renew the lease: %w", err), a.office.change(t.Lease.ID, func(t *term) { t.Unknown = true }))
	}
	a.shrunk = false
	if changesMap {
		a.settleMap(t.Lease.ID, sent, err == nil)
	}
	confirmErr := a.confirm(ctx, t.Lease.ID, a.settings.Timing().Plan(lease), func(t *term) {
		if t.Writable == t.Lease.ID {
			t.Writable = lease.ID // a smaller or larger TTL moved the key to a new grant of ours
		}
		t.Lease, t.Unknown, t.Resumed = lease, false, false
	})
	if confirmErr != nil {
		return confirmErr
	}
	if err != nil {
		a.stale = true
		return fmt.Errorf("ha: renew the lease: %w", err)
	}
	return nil
}

// lost ends a term whose grant the store doesn't have any more. A key that is absent
// leaves a primary what all others have pledged: it is noted that nothing else counts.
func (a *Agent) lost(ctx context.Context, t term, err error) {
	var refused *dcs.RefusedError
	absent := errors.As(err, &refused) && refused.Holder == nil
	if absent && t.Writable == t.Lease.ID && a.pledges.look().bind(a.clock.Now()) && a.goOnWithoutKey(ctx, t.Lease.ID) == nil {
		return
	}
	a.pledges.end() // another leads whatever was pledged, or nothing would watch over them
	a.office.end()
	a.forget()
}

// goOnWithoutKey lets a term rest on the pledges alone.
func (a *Agent) goOnWithoutKey(ctx context.Context, grant string) error {
	defer a.office.takeTurn()()
	t := a.office.get()
	if t.Lease.ID != grant {
		return errEnded
	}
	t.Gone, t.Plan, t.Unknown = true, dcs.Plan{}, false
	number, err := a.secure(ctx, t, a.pledges.look().Plan)
	if err != nil {
		return err
	}
	t.Armed = number
	return a.office.change(grant, func(into *term) { *into = t })
}

// announceMap makes a failsafe map count before it is sent: it binds us from now on,
// also if its answer gets lost, and also the agent after us. The pledges that we were
// given are over, since they were asked for under another map: whoever is added may
// lead by this one, and everybody may without any.
func (a *Agent) announceMap(ctx context.Context, grant string, sent MapNote) error {
	defer a.office.takeTurn()()
	t := a.office.get()
	if t.Lease.ID != grant || !a.clock.Now().Before(t.Plan.GiveUp) {
		return errEnded // without the pledges there would be nothing to lead by
	}
	a.pledges.end()
	t.Maps = append(slices.Clip(t.Maps), sent)
	number, err := a.secure(ctx, t, dcs.Plan{})
	if err != nil {
		return err
	}
	return a.office.change(grant, func(into *term) { into.Maps, into.Armed = t.Maps, number })
}

// settleMap takes the answer to a map that we sent: it is the store's now, or won't
// ever be. What its version is the next read tells.
func (a *Agent) settleMap(grant string, sent MapNote, written bool) {
	a.stale = true
	if written {
		a.cluster.Failsafe = dcs.Failsafe{Members: sent.Members}
		a.office.wroteMap(a.cluster.Failsafe)
	}
	_ = a.office.change(grant, func(t *term) { // one that has ended meanwhile has no maps
		t.Maps = t.Maps[:len(t.Maps)-1]
	})
}

// armEarlier arms the guard with the earlier of both ends before a request that
// may shorten the grant is sent.
func (a *Agent) armEarlier(ctx context.Context, t term) error {
	if !a.shrunk {
		return nil
	}
	plan := a.settings.Timing().PlanFor(a.clock.Now(), a.client.LeaseFor(a.settings.TTL))
	if plan.Kill.After(t.Plan.Kill) {
		return nil
	}
	return a.confirm(ctx, t.Lease.ID, plan, func(*term) {})
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
