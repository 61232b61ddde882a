package lab

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/regent-ha/regent/clock"
)

// History is what writers saw, in the order of the answers. All instants are of
// one machine's clock and can be compared.
type History []Write

// Recorded is the history that these writers have seen until now.
func Recorded(writers ...*Writer) History {
	var h History
	for _, w := range writers {
		h = append(h, w.Writes()...)
	}
	slices.SortStableFunc(h, func(a, b Write) int { return cmp.Compare(a.Replied, b.Replied) })
	return h
}

// Acked is how many writes were acknowledged.
func (h History) Acked() int {
	n := 0
	for _, w := range h {
		if w.Acked {
			n++
		}
	}
	return n
}

// Of is the part of one writer.
func (h History) Of(writer string) History {
	return slices.DeleteFunc(slices.Clone(h), func(w Write) bool { return w.Writer != writer })
}

// LongestGap is the longest time between two acknowledgements that reaches into
// the time from from to to. Where none came before, it counts from from; what
// comes after to counts until to.
func (h History) LongestGap(from, to clock.Instant) time.Duration {
	var longest time.Duration
	last := clock.Instant(0)
	gap := func(until clock.Instant) {
		if until <= from || last >= to {
			return
		}
		begin := last
		if begin.IsZero() {
			begin = from
		}
		longest = max(longest, min(until, to).Sub(begin))
	}
	for _, w := range h {
		if w.Acked {
			gap(w.Replied)
			last = w.Replied
		}
	}
	gap(to)
	return longest
}

// Overlap is a write that the new primary's first one forbade: it was sent to an
// older primary after the newer one had acknowledged a write, and acknowledged.
type Overlap struct {
	Old   Write // what should have failed
	Newer Write // the newer primary's first acknowledged write
}

// Overlaps are all such writes. A primary is known by its timeline, which a
// promotion ends and only one server ever writes; two that write on the same one
// are two primaries as well.
func (h History) Overlaps() []Overlap {
	type place struct {
		timeline uint32
		node     string
	}
	first := map[place]Write{} // by reply
	for _, w := range h {
		p := place{w.Timeline, w.Node}
		if f, ok := first[p]; w.Acked && (!ok || w.Replied < f.Replied) {
			first[p] = w
		}
	}
	places := slices.SortedFunc(maps.Keys(first), func(a, b place) int { return cmp.Compare(first[a].Replied, first[b].Replied) })
	var overlaps []Overlap
	for _, w := range h {
		if !w.Acked {
			continue
		}
		for _, p := range places {
			f := first[p]
			newer := p.timeline > w.Timeline || p.timeline == w.Timeline && p.node != w.Node
			if newer && w.Sent > f.Replied {
				overlaps = append(overlaps, Overlap{Old: w, Newer: f})
				break
			}
		}
	}
	return overlaps
}

// TwoPrimaries is for how long two servers acknowledged writes: from the newer
// one's first to the older one's last. Zero is the only good value.
func TwoPrimaries(overlaps []Overlap) time.Duration {
	var longest time.Duration
	for _, o := range overlaps {
		longest = max(longest, o.Old.Replied.Sub(o.Newer.Replied))
	}
	return longest
}

// Lost are the acknowledged writes that the leader doesn't have. Ask when the
// cluster is healthy.
func (l *Lab) Lost(ctx context.Context, h History) ([]Write, error) {
	leader, err := l.WaitLeader(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, l.ConnString(leader.SQLAddr))
	if err != nil {
		return nil, err
	}
	defer abandon(conn)
	rows, err := conn.Query(ctx, "select writer, id from "+Table)
	if err != nil {
		return nil, err
	}
	type key struct {
		writer string
		id     int64
	}
	have := map[key]bool{}
	var k key
	if _, err := pgx.ForEachRow(rows, []any{&k.writer, &k.id}, func() error { have[k] = true; return nil }); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(h), func(w Write) bool { return !w.Acked || have[key{w.Writer, w.ID}] }), nil
}

// Since is what was answered after from.
func (h History) Since(from clock.Instant) History {
	i, _ := slices.BinarySearchFunc(h, from, func(w Write, at clock.Instant) int { return cmp.Compare(w.Replied, at) })
	return h[i:]
}
