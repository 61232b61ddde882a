package ha

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/regent-ha/regent/dcs"
)

// The failsafe map says who must pledge. The one in force is the store's, and that
// need not be the one that we read last: a write of ours whose answer was lost may
// have replaced it, or may do so yet. Every map that may be in force binds us: whoever
// is in one of them may lead by it.

// MapNote is a failsafe map that we have sent to the store, and that may be in force.
type MapNote struct {
	Members map[string]string `json:"members"` // by name, the api_url; nil: the map was to be deleted
	// Prev is the version that the write replaces. Once another one was read, the
	// write can't take effect any more.
	Prev dcs.Version `json:"prev"`
}

// mapRead stands for the version of a map that an agent before us read: any map that
// we read ourselves is newer.
const mapRead dcs.Version = "*"

// boundBy are all members that must pledge, and why the pledges of all of them are
// none: a map that may be in force is missing, unreadable, or lacks us. Empty: they
// are.
func boundBy(v view) (members map[string]string, why string) {
	members = map[string]string{}
	inForce := v.Term.Maps
	if v.Store.Received {
		inForce = append(slices.Clip(inForce), MapNote{Members: v.Store.Cluster.Failsafe.Members})
	}
	if len(inForce) == 0 {
		return members, "the failsafe map isn't known"
	}
	for _, m := range inForce {
		if m.Members[v.Self.Name] == "" {
			return members, "the failsafe map is missing or lacks me"
		}
		maps.Copy(members, m.Members)
	}
	return members, ""
}

// mapWrite is the failsafe map that a renewal's documents write, if they do.
func mapWrite(docs []dcs.Write) (MapNote, bool) {
	i := slices.IndexFunc(docs, isFailsafe)
	if i < 0 {
		return MapNote{}, false
	}
	m := MapNote{Prev: docs[i].Prev}
	if docs[i].Value != nil {
		if err := json.Unmarshal(docs[i].Value, &m.Members); err != nil {
			m.Members = nil // binds like one that is missing
		}
	}
	return m, true
}

// stillOpen are the maps of sent whose writes may have taken effect or may do so yet,
// given that the store's map was read at this version.
func stillOpen(sent []MapNote, read dcs.Version) []MapNote {
	return slices.DeleteFunc(slices.Clone(sent), func(m MapNote) bool { return m.Prev != read })
}
