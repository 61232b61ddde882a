package dcs

import (
	"encoding/json"
	"strings"
	"time"
)

// Failover is a request for a switchover or a failover. Zero Leader and
// Candidate: there is none.
type Failover struct {
	Leader      string    // must lead now; empty: a failover, not a switchover
	Candidate   string    // the key's field "member"
	ScheduledAt time.Time // zero: now
	Extra       map[string]json.RawMessage
	Version     Version
	Present     bool // the key exists, be it "{}"
}

// Requested says whether anybody asked for anything.
func (f Failover) Requested() bool { return f.Leader != "" || f.Candidate != "" }

func parseFailover(docs map[Key]Document, p *problems) Failover {
	doc, ok := docs[FailoverKey]
	if !ok {
		return Failover{}
	}
	out := Failover{Version: doc.Version, Present: true}
	if !json.Valid(doc.Value) {
		// Old writers: leader:candidate.
		leader, candidate, _ := strings.Cut(string(doc.Value), ":")
		out.Leader, out.Candidate = strings.TrimSpace(leader), strings.TrimSpace(candidate)
		return out
	}
	raw, ok := decodeObject(doc.Value)
	if !ok {
		if string(doc.Value) != "null" {
			p.add(FailoverKey, "%s is no JSON object; it counts as no request", excerpt(doc.Value))
		}
		return out
	}
	f := fields{FailoverKey, raw, p}
	leader, candidate, scheduled := f.text("leader"), f.text("member"), f.text("scheduled_at")
	out.Extra = f.rest()
	if scheduled != "" {
		at, err := ParseTime(scheduled)
		if err != nil {
			// Never now what was meant for later.
			p.add(FailoverKey, "scheduled_at: %v; it counts as no request", err)
			return out
		}
		out.ScheduledAt = at
	}
	out.Leader, out.Candidate = leader, candidate
	return out
}

// MarshalJSON writes the value of the failover key; {} is no request.
func (f Failover) MarshalJSON() ([]byte, error) {
	var o object
	o.text("leader", f.Leader)
	o.text("member", f.Candidate)
	if !f.ScheduledAt.IsZero() {
		o.field("scheduled_at", FormatTime(f.ScheduledAt))
	}
	o.extra(f.Extra)
	return o.bytes()
}
