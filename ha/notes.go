package ha

import (
	"context"
	"errors"
	"fmt"
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
}

// PledgeNote is a pledge that was given, for the agent after us.
type PledgeNote struct {
	To    string
	For   time.Duration // as it was given
	Until clock.Instant
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
	// from now, as long as it was or one ttl, if it is of another boot. None is a
	// zero note.
	ReadPledge(now clock.Instant, ttl time.Duration) (PledgeNote, error)
}

// writeDown notes the grant before anything rests on it.
func (a *Agent) writeDown(t term) error {
	n := LeaseNote{
		Grant: t.Lease.ID, Number: a.fencing.upcoming(), Since: t.Lease.Since, For: t.Lease.For,
		Fast: t.Plan.Fast, Kill: t.Plan.Kill, SystemID: a.systemID(), Writable: t.Writable == t.Lease.ID,
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
// it: its instants count, and nothing else.
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
	t.Plan = a.settings.Timing().Plan(t.Lease) // until the guard acknowledges another one
	if note.Writable {
		t.Writable = note.Grant
	}
	lease, err := a.client.Resume(ctx, note.Grant)
	switch {
	case errors.Is(err, dcs.ErrLost):
		a.log.Info("the lease of the agent before us has ended", "reason", err)
		a.forget()
		return
	case err != nil:
		a.log.Warn("the store can't be asked about the lease of the agent before us: going by what it wrote down", "error", err)
		a.pledged.held(t.Lease.End())
		if a.clock.Now().Before(t.Plan.Timer) {
			a.office.set(t)
		}
		return
	}
	a.pledged.held(never)
	t.Lease, t.Unknown = lease, false
	err = a.confirm(ctx, "", a.settings.Timing().Plan(lease), func(into *term) { *into = t })
	if err != nil {
		a.log.Warn("the lease of the agent before us could not be taken up", "error", err)
		return
	}
	a.log.Info("resumed the lease of the agent before us")
}

// systemID is that of our data, from the last look or a new one.
func (a *Agent) systemID() string {
	return a.lastSystemID
}
