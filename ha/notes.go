package ha

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// LeaseNote is what an agent writes down of its grant, for the agent and the
// guard after it on the same boot of the same machine.
type LeaseNote struct {
	Grant    string
	Number   uint64 // of the arm that goes with it
	Since    clock.Instant
	For      time.Duration
	Fast     clock.Instant
	Kill     clock.Instant
	SystemID string
	Writable bool // the server was started in place or promoted under this grant
	// Plan is that of the lease, and Pledges that of the pledges of all others, if
	// they count; the arm goes by the later one.
	Plan    dcs.Plan
	Pledges dcs.Plan
	// Maps are all failsafe maps that may be in force.
	Maps []MapNote
}

// PledgeNote is a pledge that was given, for the agent after us. An agent writes one at
// its start, too: where there is none it isn't known what was pledged.
type PledgeNote struct {
	To    string        // empty: none was given
	For   time.Duration // as it was given
	Until clock.Instant
	// Assumed is since when a pledge to somebody is assumed for AssumedFor, because an
	// agent found no note of this boot. Zero: none is.
	Assumed    clock.Instant
	AssumedFor time.Duration
}

// anotherBoot is the note as it counts from now on, on another boot than it was written
// on: how much of each time has passed isn't known.
func (n PledgeNote) anotherBoot(now clock.Instant, ttl time.Duration) PledgeNote {
	if n.To != "" {
		n.Until = now.Add(max(ttl, n.For))
	}
	if !n.Assumed.IsZero() {
		n.Assumed = now
	}
	return n
}

// Notes are what outlives an agent, outside of the data directory. Files keeps
// them in a run directory.
type Notes interface {
	WriteLease(n LeaseNote) error
	// ReadLease returns what was written down for this data directory, this
	// member, this boot of this machine and the cluster systemID. Anything else
	// proves nothing and is an error.
	ReadLease(systemID string) (LeaseNote, error)
	ForgetLease() error
	// Probe is nil if a note could be written now.
	Probe() error
	WritePledge(n PledgeNote) error
	// ReadPledge returns the pledge that was written down, with a new deadline
	// from now, as long as it was or one ttl, if it is of another boot. Where nothing
	// was written down, errors.Is finds fs.ErrNotExist.
	ReadPledge(now clock.Instant, ttl time.Duration) (PledgeNote, error)
	WriteLeader(n LeaderNote) error
	// ReadLeader returns the leader that was written down last on this boot. None is
	// a zero note.
	ReadLeader() (LeaderNote, error)
}

// secure makes a right to lead certain: it is written down, then the guard is armed
// with it, and only then may anything rest on it. The right is the lease of t or, if
// they last longer, the pledges of all others. The caller has the office's turn.
func (a *Agent) secure(ctx context.Context, t term, pledges dcs.Plan) (number uint64, err error) {
	if err := a.writeDown(t, pledges); err != nil {
		return 0, err
	}
	number, err = a.fencing.arm(ctx, t.Lease.ID, later(t.Plan, pledges))
	if err != nil {
		return 0, fmt.Errorf("ha: the guard did not acknowledge the lease: %w", err)
	}
	return number, nil
}

// writeDown notes the grant, and what else our right to lead rests on.
func (a *Agent) writeDown(t term, pledges dcs.Plan) error {
	arm := later(t.Plan, pledges)
	n := LeaseNote{
		Grant: t.Lease.ID, Number: a.fencing.upcoming(), Since: t.Lease.Since, For: t.Lease.For,
		Fast: arm.Fast, Kill: arm.Kill, SystemID: a.systemID(), Writable: t.Writable == t.Lease.ID,
		Plan: t.Plan, Pledges: pledges, Maps: t.Maps,
	}
	if read, ok := a.office.mapRead(); ok {
		n.Maps = append(slices.Clip(n.Maps), MapNote{Members: read.Members, Prev: mapRead})
	}
	err := a.cfg.Notes.WriteLease(n)
	a.probes.set(a.clock.Now(), err)
	if err != nil {
		return fmt.Errorf("ha: the lease can't be written down, so nothing may rest on it: %w", err)
	}
	return nil
}

func (a *Agent) forget() {
	if err := a.cfg.Notes.ForgetLease(); err != nil {
		a.log.Warn("the note of a lease that has ended could not be removed", "error", err)
	}
}

// resume goes on with the grant of the agent before us, if it was written down
// and the store still has it. While the store can't be asked the note stands for
// it: its instants count, and nothing else. So do those of the pledges that it was
// given, unless the store says that another member leads.
func (a *Agent) resume(ctx context.Context) {
	id := a.systemID()
	note, err := a.cfg.Notes.ReadLease(id)
	if err != nil {
		a.log.Debug("no lease to resume", "reason", err)
		return
	}
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	t := term{Lease: dcs.Lease{ID: note.Grant, Since: note.Since, For: note.For}, First: note.Grant, Resumed: true, Unknown: true}
	if note.Writable {
		t.Writable = note.Grant
	}
	t.Plan, t.Maps = note.Plan, note.Maps // until the guard acknowledges another plan
	if t.Plan == (dcs.Plan{}) {
		t.Plan = a.settings.Timing().Plan(t.Lease) // a note of a build before this
	}
	lease, err := a.client.Resume(ctx, note.Grant)
	var refused *dcs.RefusedError
	switch {
	case errors.As(err, &refused):
		a.log.Info("the lease of the agent before us has ended", "reason", err)
		if refused.Holder == nil && note.Writable && a.clock.Now().Before(note.Pledges.Timer) {
			t.Gone, t.Plan, t.Unknown = true, dcs.Plan{}, false // all others keep still for us
			a.goByNote(ctx, t, note.Pledges)
			return
		}
		a.forget()
		return
	case err != nil:
		a.log.Warn("the store can't be asked about the lease of the agent before us: going by what it wrote down", "error", err)
		a.goByNote(ctx, t, note.Pledges)
		return
	}
	a.pledges.resume(note.Pledges)
	a.pledged.held(never)
	t.Lease, t.Unknown, t.Plan = lease, false, a.settings.Timing().Plan(lease)
	err = a.confirm(ctx, "", t.Plan, func(into *term) { *into = t })
	if err != nil {
		a.log.Warn("the lease of the agent before us could not be taken up", "error", err)
		return
	}
	a.log.Info("resumed the lease of the agent before us")
}

// goByNote takes up a term without the store's word, for as long as it lasts by what
// was written down.
func (a *Agent) goByNote(ctx context.Context, t term, pledges dcs.Plan) {
	defer a.office.takeTurn()()
	right := later(t.Plan, pledges)
	if !a.clock.Now().Before(right.Timer) {
		a.pledged.held(max(t.Lease.End(), right.End))
		return
	}
	a.pledged.held(never) // until the term ends
	number, err := a.secure(ctx, t, pledges)
	if err != nil {
		a.log.Warn("the guard could not be armed anew", "error", err)
	}
	t.Armed = number
	a.pledges.resume(pledges)
	a.office.set(t)
}

// systemID is that of our data, from the last look or a new one.
func (a *Agent) systemID() string { return a.office.system() }
