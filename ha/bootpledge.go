package ha

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// unpledgedStands is for how long the answer of a member stands by which it may count
// on a pledge of ours.
const unpledgedStands = 200 * time.Millisecond

// mayHavePledged waits out the pledge that this member may have given before its
// machine was booted. The run directory is empty then, so that no note proves nothing.
// It is over as soon as nobody can count on it: all members of the failsafe map have
// said since that no pledges count for them, and that they aren't asking for any. Their
// role proves nothing, since a primary that is started in place doesn't run.
func mayHavePledged(v view) (candidacy, bool) {
	p, inForce := v.Pledged, v.Store.Cluster.Failsafe
	until := p.Assumed.Add(max(p.AssumedFor, v.Settings.TTL))
	if p.Assumed.IsZero() || !v.Now.Before(until) || inForce.Version == dcs.Absent {
		return candidacy{}, false
	}
	c := candidacy{ID: "election/may-have-pledged", Wait: true, Until: until}
	var open []string
	for _, name := range slices.Sorted(maps.Keys(inForce.Members)) {
		if name == v.Self.Name || v.Peers[name].Unpledged {
			continue
		}
		open = append(open, name)
		again := v.Peers[name].Answered.Add(unpledgedStands)
		switch {
		case v.Peers[name].Flying:
		case v.Peers[name].Answered.IsZero(), !v.Now.Before(again):
			c.Ask = append(c.Ask, dcs.Member{Name: name, APIURL: inForce.Members[name], State: dcs.StateUnknown})
		case again.Before(c.Until):
			c.Until = again
		}
	}
	if len(open) == 0 && inForce.Members != nil {
		return candidacy{}, false
	}
	c.Reason = fmt.Sprintf("I may have pledged to a leader without the store before this agent's first start on this boot: waiting for %v, or until all of the failsafe map say that no pledges count for them (missing: %s)",
		until.Sub(v.Now).Round(time.Second), strings.Join(open, ", "))
	return c, true
}

// askAboutPledges asks the members of the failsafe map already while somebody leads, so
// that a member whose host has booted may take over when it is needed.
func askAboutPledges(v view, d decision) decision {
	if v.Server.Role != postgres.RoleReplica || !v.Store.readable() || v.Store.Cluster.Leader == nil || does[ask](d) {
		return d
	}
	c, waits := mayHavePledged(v)
	if !waits {
		return d
	}
	due := slices.DeleteFunc(c.Ask, func(m dcs.Member) bool { return v.Now.Before(v.Peers[m.Name].Asked.Add(electionRound)) })
	if len(due) > 0 {
		d = d.with(ask{due})
	}
	return d.within(v, electionRound)
}
