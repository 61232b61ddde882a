package hatest

import (
	"errors"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/ha"
)

// notes are the files in a node's run directory: they outlive its agents, and a
// boot makes them worth nothing.
type notes struct {
	leaseNote  *ha.LeaseNote
	leaseBoot  int
	pledgeNote ha.PledgeNote
	pledgeBoot int
	identity   string // of the data directory, when the lease was written down
}

// lease is what was written down, if it proves anything.
func (f *notes) lease(n *node) (ha.LeaseNote, error) {
	switch {
	case f.leaseNote == nil:
		return ha.LeaseNote{}, errors.New("hatest: there is no lease file")
	case f.leaseBoot != n.boots || f.identity != n.data():
		return ha.LeaseNote{}, errors.New("hatest: the lease file is of another boot or data directory")
	}
	return *f.leaseNote, nil
}

var errNoRoom = errors.New("hatest: no space left in the run directory")

// desk is one agent's way to the notes.
type desk struct{ process *process }

var _ ha.Notes = desk{}

func (d desk) WriteLease(l ha.LeaseNote) error {
	n := d.process.node
	if d.process.dead.Load() {
		return errDead
	}
	if n.runDirFull {
		return errNoRoom
	}
	n.notes.leaseNote, n.notes.leaseBoot, n.notes.identity = &l, n.boots, n.data()
	return nil
}

func (d desk) ReadLease(systemID string) (ha.LeaseNote, error) {
	l, err := d.process.node.notes.lease(d.process.node)
	if err == nil && l.SystemID != systemID {
		err = errors.New("hatest: the lease file is of another cluster")
	}
	return l, err
}

func (d desk) ForgetLease() error {
	if !d.process.dead.Load() {
		d.process.node.notes.leaseNote = nil
	}
	return nil
}

func (d desk) WritePledge(p ha.PledgeNote) error {
	if d.process.dead.Load() {
		return errDead
	}
	n := d.process.node
	if n.runDirFull {
		return errNoRoom
	}
	n.notes.pledgeNote, n.notes.pledgeBoot = p, n.boots
	return nil
}

func (d desk) ReadPledge(now clock.Instant, ttl time.Duration) (ha.PledgeNote, error) {
	n := d.process.node
	p := n.notes.pledgeNote
	if p.To != "" && n.notes.pledgeBoot != n.boots {
		p.Until = now.Add(max(ttl, p.For))
	}
	return p, nil
}
