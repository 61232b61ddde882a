package ha

import (
	"fmt"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// blank says whether the store has no position of a last leader: it is new, was
// emptied, or is another one than before. A candidate's lag can't be measured
// there, and who answers first proves nothing: hosts boot one after the other, and
// crash recovery takes its time.
func blank(c dcs.Cluster) bool { return !c.Status.Present && c.Status.Optime == 0 }

// awaitKnown holds a member back that is fit by what it knows, as long as the
// store is blank and somebody may know better: everybody who is in the store, was
// there lately, or was when the note was written that lies with our data. All of
// them must have said how far they have come, or that they don't run. Those who
// are ahead get that time to lead.
//
// It takes one ttl at most, counted from when this agent first saw the store
// blank: somebody who doesn't come back must not keep the cluster down.
func awaitKnown(v view, fit candidacy) candidacy {
	c := v.Store.Cluster
	until := v.Memory.Blank.Add(v.Settings.TTL)
	if !fit.Fit || !blank(c) || !v.Now.Before(until) || c.Failover.Candidate == v.Self.Name {
		return fit
	}
	wait := candidacy{ID: "election/cold-start", Wait: true, Until: until, Others: fit.Others}
	var reasons []string
	for _, m := range electorate(v) {
		if m.Name == v.Self.Name || m.APIURL == "" {
			continue
		}
		if why := mayKnowBetter(v, m); why != "" {
			reasons = append(reasons, m.Name+" "+why)
		}
		// All are asked again, so that at the end of the wait no answer is old.
		p := v.Peers[m.Name]
		again := p.Asked.Add(electionRound)
		switch {
		case p.Flying:
		case p.Asked.IsZero() || !v.Now.Before(again):
			wait.Ask = append(wait.Ask, m)
		default:
			wait.Until = clock.Earliest(wait.Until, again)
		}
	}
	if len(reasons) == 0 {
		return fit
	}
	wait.Reason = fmt.Sprintf("the store has no position of a last leader: waiting for all whom I knew, for one ttl at most: %s", strings.Join(reasons, ", "))
	return wait
}

// mayKnowBetter says why m may have rows that we lack. Empty: it may not lead, has
// no data, or has answered and is no further than we are. That it can't lead at the
// moment is no reason: its guard may be on its way as its server is.
func mayKnowBetter(v view, m dcs.Member) string {
	p := v.Peers[m.Name]
	entry, there := v.Store.Cluster.Member(m.Name)
	switch a := p.Status; {
	case there && entry.Role == "uninitialized" && entry.Problem == "":
		return ""
	case p.Asked.IsZero() || p.awaited():
		return "has not answered"
	case p.Err != "":
		return "can't be reached"
	case a.NoFailover || m.Tags.NoFailover():
		return ""
	case !a.Running:
		return "has not said how far it has come, since its PostgreSQL is not running"
	case a.Timeline > uint32(v.Server.Timeline):
		return fmt.Sprintf("is on timeline %d, which is later than mine", a.Timeline)
	case a.Location > uint64(v.Server.Location) && !onOlderTimeline(v, a):
		return "is ahead"
	}
	return ""
}

// onOlderTimeline says whether a peer has missed a promotion that we have seen, where
// the store doesn't tell what the cluster's history is: its position is no measure
// then, since what it has past the promotion is off the history.
func onOlderTimeline(v view, a PeerStatus) bool {
	return blank(v.Store.Cluster) && a.Timeline != 0 && a.Timeline < uint32(v.Server.Timeline)
}
