package ha

import (
	"maps"
	"slices"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// electorate are the members that may know better than we. Those of the store
// are, and those that are gone from it since less than a ttl: after an outage of
// the store, or when somebody wiped it, entries are missing of members that live.
//
// The failsafe map counts as long as it is there, whatever failsafe_mode says.
//
// An agent that has just been started has seen nobody, and all entries may have
// ended with an outage before. It takes the members of the failsafe map as gone
// since it began, so they are asked during its first ttl. What their silence
// means is the same for all who are asked: after peerSilence it says no more,
// and the election goes on without them.
func electorate(v view) []dcs.Member {
	c := v.Store.Cluster
	members := slices.Clone(c.Members)
	absent := func(name string) bool {
		return !slices.ContainsFunc(members, func(m dcs.Member) bool { return m.Name == name }) &&
			v.Now.Before(lastSign(v, name).Add(v.Settings.TTL))
	}
	for _, m := range v.Known {
		if absent(m.Name) {
			members = append(members, m)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Failsafe.Members)) {
		if absent(name) {
			members = append(members, dcs.Member{Name: name, APIURL: c.Failsafe.Members[name], State: dcs.StateUnknown})
		}
	}
	return append(members, answered(v, members)...)
}

// answered are the members beyond those known, who answered us in the last ttl: by
// their entry or a failsafe map that is gone from the store since.
func answered(v view, known []dcs.Member) []dcs.Member {
	var members []dcs.Member
	for _, name := range slices.Sorted(maps.Keys(v.Peers)) {
		p := v.Peers[name]
		there := slices.ContainsFunc(known, func(m dcs.Member) bool { return m.Name == name })
		if !there && p.Err == "" && p.APIURL != "" && !p.Answered.IsZero() && v.Now.Before(p.Answered.Add(v.Settings.TTL)) {
			members = append(members, dcs.Member{Name: name, APIURL: p.APIURL, State: dcs.StateUnknown})
		}
	}
	return members
}

// lastSign is when a member's entry was last there. One that this agent has
// never seen may have gone right before it began to look.
func lastSign(v view, name string) clock.Instant {
	switch seen, ok := v.Seen[name]; {
	case ok:
		return seen
	case v.Memory.FirstTouch.IsZero():
		return v.Now
	}
	return v.Memory.FirstTouch
}
