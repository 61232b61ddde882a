package ha

import (
	"cmp"
	"fmt"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// following is for a cluster that another member leads.
func following(v view) decision {
	if d, ok := operatorRequest(v); ok {
		return d
	}
	if d, ok := dataFirst(v); ok {
		return d
	}
	s := v.Server
	switch {
	case s.Role == postgres.RolePrimary:
		return demote(v, "follow/primary", "demoting self because I do not have the lock and I was a leader")
	case s.State == postgres.StateStopped:
		return rejoin(v)
	case s.State == postgres.StateRunning:
		return follow(v)
	}
	return notReady(v)
}

// strangeGrant is for a leader key with our name whose grant isn't ours: that of
// an agent before us which didn't write it down, or of a namesake.
func strangeGrant(v view) decision {
	if d, ok := dataFirst(v); ok {
		return d
	}
	s := v.Server
	switch {
	case v.Term.Unsettled && s.Role == postgres.RoleReplica && !v.Pledged.binds(v.Now):
		return say(v, "strange-grant/unsettled", "the leader key has my name, and a try of mine got no answer: trying again").with(acquire{}).within(v, 0)
	case s.Role == postgres.RolePrimary:
		return demote(v, "strange-grant/primary", "the leader key has my name, and its grant is not one of mine: demoting self until it ends")
	case s.State == postgres.StateStopped:
		return startAsStandby(v, "strange-grant/start", "the leader key has my name, and its grant is not one of mine: starting as a secondary until it ends", postgres.Upstream{})
	}
	return say(v, "strange-grant", "the leader key has my name, and its grant is not one of mine: waiting for its end")
}

// source is the member that we stream from: the one that replicatefrom names, if
// it is there, else the leader.
func source(v view) (dcs.Member, bool) {
	c := v.Store.Cluster
	if from := v.Self.Tags.ReplicateFrom(); from != "" && from != v.Self.Name {
		if m, ok := c.Member(from); ok && m.ConnURL != "" {
			return m, true
		}
	}
	return c.Member(c.Leader.Name)
}

// leaderUpstream is where the leader's server is, once it is out of recovery.
func leaderUpstream(v view) (postgres.Upstream, bool) {
	m, ok := v.Store.Cluster.Member(v.Store.Cluster.Leader.Name)
	if !ok || m.State != "running" || m.Role != "primary" && m.Role != "standby_leader" {
		return postgres.Upstream{}, false
	}
	return memberUpstream(v, m)
}

// rejoin brings a stopped server back under the leader: first it learns whether
// its WAL is on the leader's history.
func rejoin(v view) decision {
	leader := v.Store.Cluster.Leader.Name
	primary, ready := leaderUpstream(v)
	switch {
	case v.Now.Before(v.Memory.Starts.Next):
		return say(v, "rejoin/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next)
	case v.Memory.Checked.Result == ancestryDiverged:
		return diverged(v, primary, ready)
	case wasPrimary(v) && !v.Memory.Recovered:
		// Where its WAL ends is known only after crash recovery.
		return say(v, "rejoin/recover", "doing crash recovery before following %s", leader).with(run{Kind: jobRecover})
	case !ready:
		return say(v, "rejoin/not-ready", "waiting for %s to finish its promotion", leader).within(v, slowPoll*5)
	case v.Memory.Checked.Result == ancestryUnknown && v.Server.Control.CleanShutdown():
		return check(v, primary)
	}
	up, _ := upstreamOf(v)
	return startAsStandby(v, "rejoin/start", "starting as a secondary", up)
}

// wasPrimary says whether the stopped server was a primary that ended without a
// shutdown, or a standby that was promoted and crashed.
func wasPrimary(v view) bool {
	c := v.Server.Control
	if c == nil || v.Server.Backup || v.Server.Standby && c.State == "in archive recovery" {
		return false
	}
	return c.State == "in production" || c.State == "in crash recovery" || c.State == "shutting down"
}

func upstreamOf(v view) (postgres.Upstream, bool) {
	m, ok := source(v)
	if !ok {
		return postgres.Upstream{}, false
	}
	return memberUpstream(v, m)
}

// check compares our WAL with the leader's history, and again after a pause if
// that couldn't be done.
func check(v view, up postgres.Upstream) decision {
	next := v.Memory.Checked.At.Add(pause(max(v.Memory.Checked.Attempts-1, 0)))
	if v.Memory.Checked.Attempts > 0 && v.Now.Before(next) {
		return say(v, "check/pause", "could not compare my WAL with %s: %s", up.Name, v.Memory.Checked.Reason).at(next)
	}
	return say(v, "check", "comparing my WAL with the history of %s", up.Name).with(run{Kind: jobCheck, Target: up.Name, Up: up})
}

// follow keeps a running standby on the leader's history and stream.
func follow(v view) decision {
	leader := v.Store.Cluster.Leader.Name
	primary, ready := leaderUpstream(v)
	up, known := upstreamOf(v)
	switch {
	case stalled(v):
		return notReady(v)
	case v.Memory.Checked.Result == ancestryDiverged:
		return diverged(v, primary, ready)
	case !ready || !known:
		return lookEarly(v, say(v, "follow/not-ready", "waiting for %s to be ready to be followed", leader))
	case v.Memory.Checked.Result == ancestryUnknown && !(v.Memory.Checked.Attempts > 0 && streamsFrom(v, up)):
		return lookEarly(v, check(v, primary))
	case v.Memory.Following != upstreamDigest(up) && v.Now.Before(v.Memory.Follows.Next):
		return lookEarly(v, say(v, "follow/pause", "could not follow %s: %s", up.Name, v.Memory.Follows.Why).at(v.Memory.Follows.Next))
	case v.Memory.Following != upstreamDigest(up):
		d := say(v, "follow/change", "changing the upstream to %s", up.Name)
		d.Memory.Following = upstreamDigest(up)
		return d.with(run{Kind: jobFollow, Target: up.Name, Up: up})
	}
	if up.Name == primary.Name && walDoubtful(v) {
		return lookEarly(v, say(v, "follow/look-for-wal", "asking %s whether it still has the WAL that I need", up.Name).with(run{Kind: jobCheck, Target: up.Name, Up: primary}))
	}
	d := say(v, "follow", "no action. I am (%s), a secondary, and following a leader (%s)", v.Self.Name, leader)
	if v.Memory.Checked.Missing != 0 {
		d = say(v, "follow/wal-removed", "%s: I can't follow until I am reinitialized or get it from an archive", walRemoved(v.Memory.Checked.Missing))
	}
	return lookEarly(v, keepSlots(v, d))
}

func streamsFrom(v view, up postgres.Upstream) bool {
	r := v.Server.Receiver
	return r != nil && r.Streaming && r.Host == up.Host && r.Port == up.Port
}

func upstreamDigest(up postgres.Upstream) string {
	return fmt.Sprintf("%s:%d/%s", up.Host, up.Port, up.Slot)
}

// How soon a standby that doesn't stream looks for the reason, and how often again.
const (
	dryPatience = 3 * time.Second
	dryLook     = 10 * time.Second
)

// walDoubtful says whether it is time to ask the leader if it still has the WAL
// that follows ours. A standby that lacks it connects again and again, and looks
// as if it streamed for a moment each time: only the answer counts.
func walDoubtful(v view) bool {
	dry := !v.Memory.Dry.IsZero() && v.Now.Sub(v.Memory.Dry) >= dryPatience
	return (dry || v.Memory.Checked.Missing != 0) && !v.Now.Before(v.Memory.Checked.At.Add(dryLook))
}

// walRemoved says what the leader has not got any more.
func walRemoved(from postgres.LSN) string {
	return fmt.Sprintf("the leader has removed the WAL from %s on, which I need", from)
}

// receiverPoll is how often a standby looks at its own WAL receiver, whose end
// is the first sign of a leader's.
const receiverPoll = time.Second

// lookEarly watches the stream. A standby that lost it tries again at once, not
// after wal_retrieve_retry_interval, and asks the others how they are already
// now, so that nothing is left to wait for when the leader key ends.
func lookEarly(v view, d decision) decision {
	d = d.within(v, receiverPoll)
	if v.Server.Receiver != nil && v.Server.Receiver.Streaming {
		d.Memory.SecondLook = 0
		return d
	}
	if _, ready := leaderUpstream(v); ready && v.Memory.Following != "" && !v.Now.Before(v.Memory.Nudged.Add(nudgeEvery)) {
		d.Memory.Nudged = v.Now
		d = d.with(nudge{})
	}
	if v.Now.Before(v.Memory.SecondLook.Add(receiverPoll)) {
		return d.within(v, nudgeEvery)
	}
	d.Memory.SecondLook = v.Now
	if others := everyoneElse(v); len(others) > 0 {
		d = d.with(ask{others})
	}
	return d.within(v, nudgeEvery)
}

// nudgeEvery paces a standby's attempts to stream again.
const nudgeEvery = 200 * time.Millisecond

// everyoneElse are the members with an API that aren't being asked already.
func everyoneElse(v view) []dcs.Member {
	var others []dcs.Member
	for _, m := range electorate(v) {
		if m.Name != v.Self.Name && m.APIURL != "" && !v.Peers[m.Name].Flying {
			others = append(others, m)
		}
	}
	return others
}

// diverged is for a member whose WAL has something that the cluster's history
// has not. It is rewound or cloned anew, where the configuration allows that;
// else it stays out and says why.
func diverged(v view, up postgres.Upstream, ready bool) decision {
	why := v.Memory.Checked.Reason
	rewindable := v.Self.CanRewind == "" && !(v.Self.RemoveOnRewindFail && v.Memory.Rewinds.Failed > 0)
	switch {
	case v.Server.PID != 0:
		return stop(v, "diverged/stop", postgres.StopFast, "my WAL is not on the cluster's history ("+why+"): stopping")
	case !ready:
		return say(v, "diverged/not-ready", "my WAL is not on the cluster's history (%s): waiting for a leader that is ready", why).within(v, time.Second)
	case rewindable && v.Now.Before(v.Memory.Rewinds.Next):
		return say(v, "diverged/pause", "pg_rewind has failed, trying again soon: %s", v.Memory.Rewinds.Why).at(v.Memory.Rewinds.Next)
	case rewindable && wasPrimary(v) && !v.Memory.Recovered:
		return say(v, "diverged/recover", "doing crash recovery before pg_rewind").with(run{Kind: jobRecover})
	case rewindable:
		return say(v, "diverged/rewind", "running pg_rewind from %s", up.Name).with(run{Kind: jobRewind, Target: up.Name, Up: up})
	case v.Self.RemoveOnDivergence || v.Self.RemoveOnRewindFail && v.Memory.Rewinds.Failed > 0:
		return say(v, "diverged/reinitialize", "my WAL is not on the cluster's history (%s), and it can't be rewound (%s): cloning anew from %s", why, cmp.Or(v.Self.CanRewind, "pg_rewind has failed: "+v.Memory.Rewinds.Why), up.Name).
			with(run{Kind: jobReinitialize, Target: up.Name, Up: up})
	}
	return say(v, "diverged/out", "my WAL is not on the cluster's history (%s), and it can't be rewound (%s): staying out until I am reinitialized", why, v.Self.CanRewind)
}

// operatorRequest answers what an operator asked of this replica.
func operatorRequest(v view) (decision, bool) {
	switch {
	case v.Job.running(), v.Server.Role == postgres.RolePrimary: // that is stopped first
		return decision{}, false
	case v.Request.Reinitialize:
		up, ready := leaderUpstream(v)
		if !ready {
			return say(v, "reinitialize/no-leader", "Cluster has no leader, can not reinitialize").
				with(answer{Reinitialize: "refused", Err: "Cluster has no leader, can not reinitialize"}), true
		}
		if m, ok := taggedSource(v); ok && !v.Request.FromLeader {
			if tagged, reachable := memberUpstream(v, m); reachable {
				up = tagged
			}
		}
		return say(v, "reinitialize", "reinitializing from %s", up.Name).
			with(answer{Reinitialize: "started"}, run{Kind: jobReinitialize, Target: up.Name, Up: up}), true
	}
	up, _ := upstreamOf(v)
	restart := run{Kind: jobRestart, Up: up, Standby: true}
	if v.Request.Restart && v.Server.PID != 0 {
		return say(v, "restart", "restarting on request").with(restart), true
	}
	return scheduledRestart(v, restart)
}
