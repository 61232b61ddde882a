package hatest

import "github.com/regent-ha/regent/ha"

// membership is the note of who the members were, in a node's data directory: a
// boot leaves it, and a directory that makes room takes it along.
type membership struct {
	note     ha.Membership
	identity string // of the data directory
}

// roll is one agent's way to that note.
type roll struct{ process *process }

var _ ha.KnownMembers = roll{}

func (r roll) WriteKnown(m ha.Membership) error {
	n := r.process.node
	if err := r.process.gate(r.process.ctx, "members write"); err != nil {
		return err
	}
	n.members = membership{m, n.data()}
	return nil
}

func (r roll) ReadKnown() (ha.Membership, error) {
	n := r.process.node
	if n.members.identity != n.data() {
		return ha.Membership{}, nil
	}
	return n.members.note, nil
}
