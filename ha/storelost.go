package ha

import (
	"time"

	"github.com/regent-ha/regent/postgres"
)

// storeLost is for a store that can't be read in this cycle. An unreadable
// cluster is never an absent one: nobody is elected, nothing is initialised.
func storeLost(v view) decision {
	s := v.Server
	retry := min(v.Settings.LoopWait, time.Second)
	switch {
	case s.Role == postgres.RolePrimary && !v.Term.held() && !v.Pledges.bind(v.Now):
		return demote(v, "store-lost/no-lease", "DCS is not accessible, and I have no lease: demoting self").within(v, retry)
	case v.Job.running() && !v.Term.held():
		return inJob(v, "store-lost/job").within(v, retry)
	case ledHere(v):
		return storeLostLeader(v, retry)
	case v.Term.held() && harmless(v) && !v.Job.running() && !v.Now.Before(v.Term.Plan.GiveUp):
		return storeLostRelease(v)
	case s.Role != postgres.RolePrimary && s.State != postgres.StateStopped:
		return say(v, "store-lost", "DCS is not accessible: %s", v.Store.Err).within(v, retry)
	case s.Role != postgres.RolePrimary:
		return storeLostStopped(v, retry)
	}
	return storeLostPrimary(v, retry)
}

// ledHere says whether our server is the primary of the term that we hold, also while
// it is stopped, starts again, or doesn't say how it is.
func ledHere(v view) bool {
	return v.Term.held() && v.Memory.Handover.Reason == "" &&
		(v.Server.Role == postgres.RolePrimary || v.Server.Role != postgres.RoleReplica && mayStartInPlace(v))
}

// storeLostLeader keeps the right to lead as long as it lasts for certain, and starts
// a primary that has ended in place while it does.
func storeLostLeader(v view, retry time.Duration) decision {
	stopped := v.Server.State == postgres.StateStopped && v.Server.Data == postgres.DataValid && !v.Job.running()
	if stopped && v.Memory.Starts.Failed >= startsBeforeFailover {
		return storeLostRelease(v) // others may reach the store, and mustn't keep still for nothing
	}
	if stalled(v) { // it may work when it is started again, under the same right
		return stop(v, "store-lost/stalled", postgres.StopImmediate, "PostgreSQL has not answered a new connection for primary_stall_timeout: starting it again")
	}
	d := storeLostPrimary(v, retry)
	if !stopped || gives(d) || v.Now.Before(v.Memory.Starts.Next) {
		return d
	}
	d = say(v, "store-lost/start", "DCS is not accessible, my right to lead still lasts: starting primary after failure")
	d.Memory.Starts.Since = v.Now
	return d.with(startPrimary{v.right().Timer}).within(v, startPoll)
}

// keyGone is for a leader by pledges whose key is gone from the store, which can be read
// again: it takes the key back, unless another has it by now.
func keyGone(v view) decision {
	l := v.Store.Cluster.Leader
	ours := l != nil && l.Name == v.Self.Name && v.Term.Unsettled // a try of ours that got no answer
	if ledHere(v) && (l == nil || ours) && v.Pledges.bind(v.Now) && !v.Pledged.binds(v.Now) {
		return storeLostLeader(v, min(v.Settings.LoopWait, time.Second))
	}
	return giveUp(v, "failsafe/key-gone", "the leader key is gone, and I can't take it again: giving way")
}

// storeLostRelease ends the lease of a member that doesn't lead any more, or
// never came to it. Nothing else would keep the lease timer and the guard from
// stopping the standby that it is from now on. The store may take the release
// although it can't be read; else the lease ends there by itself.
func storeLostRelease(v view) decision {
	d := say(v, "store-lost/release", "DCS is not accessible (%s), and I am not the primary: giving up my lease", outage(v))
	h := v.Memory.Handover
	d.Memory.Handover.Done = h.Reason != ""
	if undrained(v) { // nobody is known to have all that we have: we stand for election like everybody
		d.Memory.Handover = handover{}
		d.Memory.NotTaken, d.Memory.Refusal = h.Request, "the store could not be reached"
	}
	// A store that is silent must not keep the guard waiting, which would stop the standby.
	return d.with(disarm{}, release{finalDocuments(v)}).within(v, 0)
}

// renewalsLost says whether a store that can be read leaves it open if it renews
// the lease of a primary, and the next renewal is due: for us it is lost as well.
// A key that isn't ours any more is another matter, and a renewal makes it
// certain; one that is absent changes nothing while all members have pledged.
func renewalsLost(v view) bool {
	stopping := v.Job.running() && (v.Job.Kind == jobStop || v.Job.Kind == jobHandOver)
	idle := !stopping && v.Term.Lease.ID != v.Guard.Spent
	certain := keyLooksLost(v) && !(v.Store.Cluster.Leader == nil && v.Pledges.bind(v.Now))
	return idle && v.Term.Unknown && ledHere(v) && !v.Now.Before(v.Term.Plan.Renew) && !certain
}

// outage is what the store does, in a few words.
func outage(v view) string {
	if v.Term.Gone && v.Store.readable() {
		return "my key is gone from it"
	}
	if v.Store.Err == "" {
		return "it leaves open whether my lease is renewed"
	}
	return v.Store.Err
}

// storeLostPrimary keeps a primary on while its lease lasts for certain, or
// while all members have pledged to keep still. Else it demotes.
func storeLostPrimary(v view, retry time.Duration) decision {
	renewal := func(d decision) decision {
		switch {
		case v.Term.Gone && v.Store.readable():
			d = d.with(acquire{})
		case v.Term.held() && !v.Term.Gone:
			d = d.with(renew{})
		}
		return d.within(v, retry)
	}
	switch {
	case v.Now.Before(v.Term.Plan.Renew):
		return say(v, "store-lost/lease", "DCS is not accessible (%s), my lease still lasts", outage(v)).at(v.Term.Plan.Renew).within(v, retry)
	case v.Settings.Failsafe:
		return failsafe(v, renewal)
	case v.Now.Before(v.Term.Plan.GiveUp):
		return renewal(say(v, "store-lost/retry", "DCS is not accessible (%s), trying to renew my lease", outage(v))).at(v.Term.Plan.GiveUp)
	}
	return storeLostDemote(v, "store-lost/demote", "demoted self because DCS is not accessible and I was a leader")
}

// storeLostDemote stops the server, and lets go of the lease of one that is stopped.
func storeLostDemote(v view, id, reason string) decision {
	if v.Server.PID == 0 && !v.Job.running() {
		return storeLostRelease(v)
	}
	return demote(v, id, reason)
}

// failsafe asks every member of the map to pledge, as soon as a renewal is due
// and couldn't be made, and goes on while all of them do.
func failsafe(v view, renewal func(decision) decision) decision {
	members, why := boundBy(v)
	if why != "" {
		return demoteAfter(v, renewal, why)
	}
	p := v.Pledges
	due := p.Plan.Renew
	d := say(v, "failsafe/ask", "DCS is not accessible (%s): asking all members to keep still", outage(v))
	if p.bind(v.Now) {
		d = say(v, "failsafe", "continue to run as a leader because failsafe mode is enabled and all members are accessible")
	}
	switch {
	case p.bind(v.Now) && v.Now.Before(due):
		return renewal(d.at(due))
	case p.Trying && (p.bind(v.Now) || v.Now.Before(v.Term.Plan.Timer)):
		return renewal(d)
	case p.bind(v.Now) || v.Now.Before(v.Term.Plan.Failsafe):
		if next := p.Tried.Add(pledgeEvery); v.Now.Before(next) {
			if p.Err != "" {
				d.Reason += ", the last try failed: " + p.Err
			}
			return renewal(d.at(next))
		}
		return renewal(d.with(askPledges{others(members, v.Self.Name)}))
	}
	return storeLostDemote(v, "failsafe/demote", "demoted self because DCS is not accessible and not all members have pledged: "+p.Err)
}

// pledgeEvery paces rounds of pledges that failed.
const pledgeEvery = 500 * time.Millisecond

func demoteAfter(v view, renewal func(decision) decision, why string) decision {
	if v.Now.Before(v.Term.Plan.GiveUp) {
		return renewal(say(v, "failsafe/no-map", "DCS is not accessible (%s), and there is no failsafe: %s", outage(v), why).at(v.Term.Plan.GiveUp))
	}
	return storeLostDemote(v, "failsafe/no-map/demote", "demoted self because DCS is not accessible, and there is no failsafe: "+why)
}

func others(members map[string]string, self string) map[string]string {
	out := make(map[string]string, len(members))
	for name, url := range members {
		if name != self {
			out[name] = url
		}
	}
	return out
}

// storeLostStopped starts the server of a member that can be of use without the
// store: in place under a lease that lasts, else read-only.
func storeLostStopped(v view, retry time.Duration) decision {
	switch {
	case v.Job.running():
		return inJob(v, "store-lost/job").within(v, retry)
	case v.Server.Data != postgres.DataValid || !v.Store.Received:
		return say(v, "store-lost/nothing-to-start", "DCS is not accessible: %s", v.Store.Err).within(v, retry)
	case undrained(v) && mayStartInPlace(v):
		return keepOffice(v, "the store can't be reached").within(v, retry)
	case v.Memory.Handover.Reason != "" && v.Now.Before(v.Memory.Handover.Since.Add(v.Settings.TTL)):
		return say(v, "store-lost/handed-over", "DCS is not accessible, after a %s: waiting", v.Memory.Handover.Reason).within(v, retry)
	case v.Now.Before(v.Memory.Starts.Next):
		return say(v, "store-lost/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next).within(v, retry)
	case v.Memory.Checked.Result == ancestryDiverged || foreign(v):
		return say(v, "store-lost/out", "DCS is not accessible, and my WAL is not on the cluster's history: staying out").within(v, retry)
	case wasPrimary(v) || v.Term.held():
		return startAsStandby(v, "store-lost/standby", "DCS is not accessible: starting read-only", postgres.Upstream{}).within(v, retry)
	}
	return startAsStandby(v, "store-lost/standby", "DCS is not accessible: starting read-only", lastUpstream(v)).within(v, retry)
}

// lastUpstream is whom the last known cluster says to follow.
func lastUpstream(v view) postgres.Upstream {
	if v.Store.Cluster.Leader == nil || v.Store.Cluster.Leader.Name == v.Self.Name {
		return postgres.Upstream{}
	}
	up, _ := upstreamOf(v)
	return up
}

// failsafeKeep is for how long a member that is gone stays in the failsafe map:
// well beyond a restart.
func failsafeKeep(v view) time.Duration { return 5 * v.Settings.TTL }
