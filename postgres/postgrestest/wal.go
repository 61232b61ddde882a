package postgrestest

import "github.com/regent-ha/regent/postgres"

// kind is what a record of the WAL is.
type kind string

const (
	row        kind = "row"
	checkpoint kind = "checkpoint" // of initdb or a shutdown
	takeover   kind = "takeover"   // end of recovery: the first record of a timeline
)

// record is one entry of the WAL. It is never changed, and knows the one before
// it: whoever has a record has all of its past, and two servers have the same
// WAL up to a record if it is the very same one.
type record struct {
	prev  *record
	on    *branch
	kind  kind
	row   string
	end   postgres.LSN // where the next one begins
	start postgres.LSN
}

// branch is a timeline as one server made it. Two may have the same number.
type branch struct {
	timeline postgres.Timeline
	parent   *branch
	at       postgres.LSN // where it left its parent
	reason   string
}

// firstLSN is where initdb's WAL begins.
const firstLSN postgres.LSN = 0x1000028

// checkpointSize is that of every record but rows, in bytes.
const checkpointSize = 120

func newWAL() *record {
	b := &branch{timeline: 1}
	return &record{on: b, kind: checkpoint, start: firstLSN, end: firstLSN + checkpointSize}
}

func (r *record) add(k kind, text string, size postgres.LSN) *record {
	return &record{prev: r, on: r.on, kind: k, row: text, start: r.end, end: r.end + size}
}

// promote begins a new timeline after r.
func (r *record) promote(tl postgres.Timeline) *record {
	b := &branch{timeline: tl, parent: r.on, at: r.end, reason: "no recovery target specified"}
	return &record{prev: r, on: b, kind: takeover, start: r.end, end: r.end + checkpointSize}
}

// has says whether other is r or in its past.
func (r *record) has(other *record) bool {
	for r != nil && r.end > other.end {
		r = r.prev
	}
	return r == other
}

// fork is the last record that both have.
func fork(a, b *record) *record {
	for a != b {
		switch {
		case a == nil || b == nil:
			return nil
		case a.end > b.end:
			a = a.prev
		case b.end > a.end:
			b = b.prev
		default:
			a, b = a.prev, b.prev
		}
	}
	return a
}

// history is the content of b's history file.
func (b *branch) history() []postgres.HistoryLine {
	if b.parent == nil {
		return nil
	}
	return append(b.parent.history(), postgres.HistoryLine{Timeline: b.parent.timeline, Switch: b.at, Reason: b.reason})
}

// of is the branch with that number which b came along, or nil.
func (b *branch) of(tl postgres.Timeline) *branch {
	for b != nil && b.timeline != tl {
		b = b.parent
	}
	return b
}
