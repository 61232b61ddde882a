package hatest

import "github.com/regent-ha/regent/ha"

// leaderNote is the file with the leader that the store named last.
type leaderNote struct {
	ha.LeaderNote
	boot int
}

func (d desk) WriteLeader(l ha.LeaderNote) error {
	if d.process.dead.Load() {
		return errDead
	}
	n := d.process.node
	n.notes.leader = leaderNote{l, n.boots}
	return nil
}

func (d desk) ReadLeader() (ha.LeaderNote, error) {
	n := d.process.node
	if n.notes.leader.boot != n.boots {
		return ha.LeaderNote{}, nil
	}
	return n.notes.leader.LeaderNote, nil
}
