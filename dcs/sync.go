package dcs

import (
	"encoding/json"
	"slices"
	"strings"
)

// Sync is the state of synchronous replication.
type Sync struct {
	Leader  string   // who maintains it; empty: there is no such state
	Members []string // who is synchronous, or in quorum mode may vote
	Quorum  int      // votes that a candidate needs from others
	Extra   map[string]json.RawMessage
	Version Version
	Present bool // the key exists
}

// Has says whether name is synchronous, or a voter. PostgreSQL compares these
// names without regard to case, and so do we.
func (s Sync) Has(name string) bool {
	return slices.ContainsFunc(s.Members, func(m string) bool { return strings.EqualFold(m, name) })
}

// LedBy says whether name maintains the state.
func (s Sync) LedBy(name string) bool { return s.Leader != "" && strings.EqualFold(s.Leader, name) }

func parseSync(docs map[Key]Document, p *problems) Sync {
	doc, ok := docs[SyncKey]
	if !ok {
		return Sync{}
	}
	s := Sync{Version: doc.Version, Present: true}
	raw, ok := decodeObject(doc.Value)
	if !ok {
		p.add(SyncKey, "%s is no JSON object", excerpt(doc.Value))
		return s
	}
	f := fields{SyncKey, raw, p}
	leader := f.text("leader")
	quorum := f.number("quorum")
	standbys := f.text("sync_standby")
	s.Extra = f.rest()
	if leader == "" {
		return s
	}
	s.Leader = leader
	if quorum > 1<<20 {
		p.add(SyncKey, "quorum %d is more than any cluster has", quorum)
	} else {
		s.Quorum = int(quorum)
	}
	for name := range strings.SplitSeq(standbys, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.Members = append(s.Members, name)
		}
	}
	return s
}

// MarshalJSON writes the value of the sync key.
func (s Sync) MarshalJSON() ([]byte, error) {
	var o object
	if s.Leader == "" {
		o.field("leader", nil)
		o.field("quorum", nil)
	} else {
		o.field("leader", s.Leader)
		o.field("quorum", s.Quorum)
	}
	if len(s.Members) == 0 || s.Leader == "" {
		o.field("sync_standby", nil)
	} else {
		o.field("sync_standby", strings.Join(slices.Sorted(slices.Values(s.Members)), ","))
	}
	o.extra(s.Extra)
	return o.bytes()
}
