package ha

import (
	"slices"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// leading is for the holder of the leader key. The lease is renewed before
// anything else, whatever is decided.
func leading(v view) decision {
	d := lead(v)
	if gives(d) || v.Term.Lease.ID == v.Guard.Spent {
		return d
	}
	docs := leaderDocuments(v, &d)
	urgent := d.Memory.History != v.Memory.History || v.Term.Unknown || v.Term.Armed == 0 || keyLooksLost(v) || slices.ContainsFunc(docs, isFailsafe)
	if urgent || renewalDue(v) {
		d.Actions = append([]action{renew{docs}}, d.Actions...)
		return d.within(v, v.Settings.Timing().RenewEvery(v.Term.Lease))
	}
	return d.at(v.Term.Plan.Renew)
}

// isFailsafe says whether w changes the failsafe map, without which a new member
// can't take over, nor keep still for us.
func isFailsafe(w dcs.Write) bool { return w.Key == dcs.FailsafeKey }

// renewalDue says whether to renew in this cycle: a little early too, since the
// last renewal was sent that much after its cycle began, and each would else take
// a cycle and a read of its own.
func renewalDue(v view) bool {
	return !v.Now.Add(v.Settings.Timing().RenewEvery(v.Term.Lease) / 10).Before(v.Term.Plan.Renew)
}

// keyLooksLost says whether the store, as it was read in this cycle, doesn't
// have our grant behind the leader key. A renewal gives certainty.
func keyLooksLost(v view) bool {
	l := v.Store.Cluster.Leader
	return v.Store.Fresh && (l == nil || l.Grant != v.Term.Lease.ID)
}

// gives says whether a decision ends our lease.
func gives(d decision) bool {
	for _, a := range d.Actions {
		if _, ok := a.(release); ok {
			return true
		}
	}
	return false
}

func lead(v view) decision {
	s := v.Server
	switch {
	case v.Term.Lease.ID == v.Guard.Spent:
		return giveUp(v, "lead/spent", "the guard has fired on this lease: releasing it")
	case worthless(v) != "":
		d := giveUp(v, "lead/unarmed", "releasing the leader key, which nothing can rest on: "+worthless(v))
		if v.Guard.Off || v.Guard.Connected { // else it is known from the guard's silence how long that lasts
			d.Memory.Futile = v.Now
		}
		return d
	case v.Memory.Handover.Reason != "":
		return handOver(v)
	case startHangs(v):
		return giveUp(v, "lead/start-hangs", "PostgreSQL can't be started, something hangs: releasing the leader key")
	case v.Job.running():
		return leadInJob(v)
	case s.Data == postgres.DataUnknown && s.PID != 0:
		// A disk that hangs: the server itself shows whether it still works.
		return say(v, "lead/data-unknown", "data directory is not accessible: %s", s.Problem).within(v, time.Second)
	case s.Data != postgres.DataValid:
		return giveUp(v, "lead/no-data", "released leader key voluntarily as data dir empty and currently leader")
	case foreign(v) && s.Role != postgres.RolePrimary:
		return giveUp(v, "lead/foreign", foreignReason(v))
	case s.State == postgres.StateStopped:
		return leadStopped(v)
	case stalled(v):
		return leadStalled(v)
	case refusing(v):
		return leadRefusing(v)
	case s.State == postgres.StateRunning && s.Role == postgres.RoleReplica:
		return takeOffice(v)
	case s.State == postgres.StateRunning:
		return inOffice(v)
	}
	return leadStarting(v)
}

// giveUp ends the lease of a leader that can't lead. Its server is stopped
// first: a lease is never let go from under a server that may take writes.
func giveUp(v view, id, reason string) decision {
	if v.Server.PID != 0 && v.Server.Role != postgres.RoleReplica || v.Server.PID != 0 && !v.Memory.Promoting.IsZero() {
		return stop(v, id, postgres.StopFast, reason)
	}
	return say(v, id, "%s", reason).with(release{}, disarm{}).within(v, 0)
}

func leadInJob(v view) decision {
	d := inJob(v, "lead/job")
	d.Reason = "updated leader lock during " + d.Reason
	return d
}

// leadStopped is for a leader whose server has died under it.
func leadStopped(v view) decision {
	switch {
	case firstStart(v) && v.Now.Before(v.Memory.Starts.Next):
		return say(v, "bootstrap/start/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next)
	case firstStart(v):
		d := say(v, "bootstrap/start", "starting the new cluster for the first time")
		d.Memory.Starts.Since = v.Now
		d.Memory.Begun = true
		return d.with(startPrimary{v.right().Timer}).within(v, startPoll)
	case v.Term.Unknown && !v.Now.Before(v.Term.Plan.GiveUp) && !v.Pledges.bind(v.Now):
		return giveUp(v, "lead/not-renewed", "PostgreSQL is not running, and my lease could not be renewed in time: releasing it")
	case !mayStartInPlace(v):
		return giveUp(v, "lead/not-in-place", "PostgreSQL is not running, and it was not primary under this lease: releasing it")
	case v.Settings.PrimaryStartTimeout == 0 || v.Memory.Starts.Failed >= startsBeforeFailover:
		if d, ok := failOverAfterCrash(v); ok {
			return d
		}
	}
	if v.Now.Before(v.Memory.Starts.Next) {
		return say(v, "lead/start/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next)
	}
	d := say(v, "lead/start", "starting primary after failure")
	d.Memory.Starts.Since = v.Now
	return d.with(startPrimary{v.right().Timer}).within(v, startPoll)
}

// firstStart says whether the server is of a cluster that we make and that never
// ran: nobody can have another copy of it.
func firstStart(v view) bool {
	return v.Memory.Bootstrap && !v.Memory.Begun && !v.Guard.Latched
}

// startsBeforeFailover is how often a primary is started in place before its
// leader looks for somebody else: a full disk or a broken setting doesn't heal.
const startsBeforeFailover = 2

// mayStartInPlace says whether the server was primary under the very grant that
// we hold, and nothing has fenced it since: only then is nobody else's WAL newer.
func mayStartInPlace(v view) bool {
	return v.Term.Writable == v.Term.Lease.ID && !v.Guard.Latched && !v.Server.Standby
}

// failOverAfterCrash gives way to a member that can take over, if there is one.
func failOverAfterCrash(v view) (decision, bool) {
	choice := successors(v, "")
	switch {
	case choice.wait:
		return say(v, "lead/crashed/ask", "PostgreSQL has crashed: asking the others whether they can take over").with(choice.asks()...).at(choice.until), true
	case len(choice.fit) == 0:
		return decision{}, false
	}
	d := say(v, "lead/crashed/failover", "stopped PostgreSQL to fail over after a crash")
	d.Memory.Handover = leaveOffice(v, "crash")
	return d.within(v, 0), true
}

// leadStarting is for a leader whose server runs and lets nobody in.
func leadStarting(v view) decision {
	since := v.Memory.Starts.Since
	limit := v.Settings.PrimaryStartTimeout
	switch {
	case v.Server.State == postgres.StateStarting && !since.IsZero() && limit > 0 && v.Now.Sub(since) > limit:
		choice := successors(v, "")
		if choice.wait {
			return say(v, "lead/start-timeout/ask", "primary start has timed out: asking the others whether they can take over").with(choice.asks()...).at(choice.until)
		}
		if len(choice.fit) > 0 {
			d := say(v, "lead/start-timeout", "stopped PostgreSQL because of startup timeout")
			d.Memory.Handover = leaveOffice(v, "startup timeout")
			return d.within(v, 0)
		}
		return say(v, "lead/start-timeout/alone", "primary start has timed out, but continuing to wait because failover is not possible").within(v, slowPoll)
	case v.Server.State == postgres.StateStarting && !since.IsZero() && limit > 0:
		d := notReady(v)
		d.Reason = "PostgreSQL is still starting up, " + (limit - v.Now.Sub(since)).Round(time.Second).String() + " until timeout"
		return d
	case v.Server.State == postgres.StateUnknown:
		return say(v, "lead/unknown", "PostgreSQL runs and does not answer: %s", v.Server.Problem).within(v, slowPoll*5)
	}
	return notReady(v)
}

// leadStalled is for a leader whose postmaster answers nobody, and hasn't for
// primary_stall_timeout: it is stopped; then somebody else leads, or it starts again.
func leadStalled(v view) decision {
	choice := successors(v, "")
	if choice.wait {
		return say(v, "lead/stalled/ask", "PostgreSQL has stalled: asking the others whether they can take over").with(choice.asks()...).at(choice.until)
	}
	if len(choice.fit) > 0 {
		d := say(v, "lead/stalled/failover", "PostgreSQL has not answered a new connection for primary_stall_timeout: stopping it to fail over")
		d.Memory.Handover = leaveOffice(v, "stall")
		return d.within(v, 0)
	}
	return stop(v, "lead/stalled", postgres.StopImmediate, "PostgreSQL has not answered a new connection for primary_stall_timeout: starting it again")
}

// leadRefusing is for a leader whose server turns every new session away, because of
// a full disk or a file that is gone. It gives way to a member that can lead. Alone it
// goes on: sessions that stand may still work, and a start may not.
func leadRefusing(v view) decision {
	choice := successors(v, "")
	if choice.wait || len(choice.fit) == 0 {
		d := say(v, "lead/refusing", "PostgreSQL lets no new session in, and nobody is known to be able to take over: %s", v.Server.Refuses)
		d.Verdicts = choice.verdicts
		if choice.wait {
			return d.with(choice.asks()...).at(choice.until)
		}
		return d.within(v, time.Second)
	}
	d := say(v, "lead/refusing/failover", "PostgreSQL has let no new session in for primary_stall_timeout: stopping it to fail over: %s", v.Server.Refuses)
	d.Memory.Handover = leaveOffice(v, "refusal")
	return d.within(v, 0)
}

// takeOffice promotes a standby that has won the key. The candidate test is
// repeated if anybody led between the test and the win.
func takeOffice(v view) decision {
	w := v.Memory.Winning
	c := v.Store.Cluster
	switch {
	case v.Memory.Promoting.IsZero() && v.Now.Before(v.Memory.Promotes.Next):
		return notPromoted(v)
	case !v.Memory.Promoting.IsZero() && v.Now.Sub(v.Memory.Promoting) < promoteAgain:
		return say(v, "promote/wait", "waiting for the end of recovery").within(v, promotePoll)
	case v.Term.Armed == 0 && !v.Guard.Off:
		return say(v, "promote/unarmed", "not promoting because the guard has not acknowledged the lease").within(v, slowPoll)
	case !v.Memory.Promoting.IsZero():
		// Asked for once more: the request itself may have failed.
		return promoting(v, true, "waiting for the end of recovery")
	case c.Status.Version != w.Status || c.History.Version != w.History:
		d := say(v, "promote/recheck", "somebody has led since I found myself fit: repeating the test")
		d.Memory.Winning = winning{Status: c.Status.Version, History: c.History.Version, Recheck: true}
		d.Memory.Round = v.Now
		return d.within(v, 0)
	case w.Recheck:
		verdict := candidate(v)
		d := say(v, verdict.ID, "%s", verdict.Reason)
		d.Verdicts = verdict.Others
		switch {
		case verdict.Wait:
			return d.with(verdict.asks()...).at(verdict.Until)
		case !verdict.Fit:
			return giveUp(v, "promote/unfit", "releasing the leader key: "+verdict.Reason)
		}
	}
	return promoting(v, false, "promoted self to leader by acquiring session lock")
}

// promoteAgain is after how long a promotion that hasn't ended is asked for again.
const promoteAgain = time.Second

func promoting(v view, again bool, reason string) decision {
	d := say(v, "promote", "%s", reason)
	d.Memory.Promoting = v.Now
	d.Memory.Winning = winning{}
	d.Memory.Fresh = true
	return d.with(promote{NotAfter: v.Term.Plan.Timer, Again: again}).within(v, promotePoll)
}

// inOffice is for a leader whose server is primary.
func inOffice(v view) decision {
	c := v.Store.Cluster
	switch {
	case c.Initialize.Present && c.Initialize.SystemID == "":
		return finishBootstrap(v)
	case foreign(v):
		return say(v, "lead/foreign-identifier", "the store names another cluster (%s) than our data (%s): keeping my place, somebody has to look at it", c.Initialize.SystemID, v.Server.SystemID)
	case v.Request.Restart:
		return say(v, "lead/restart", "restarting on request").with(run{Kind: jobRestart, NotAfter: v.right().Timer})
	case v.Request.Reinitialize:
		return say(v, "lead/reinitialize", "I am the leader, can not reinitialize").
			with(answer{Reinitialize: "refused", Err: "I am the leader, can not reinitialize"})
	}
	if d, ok := scheduledRestart(v, run{Kind: jobRestart, NotAfter: v.right().Timer}); ok {
		return d
	}
	if c.Failover.Requested() {
		if d, ok := failoverRequest(v); ok {
			return d
		}
	}
	d := say(v, "lead", "no action. I am (%s), the leader with the lock", v.Self.Name)
	if v.Memory.Fresh {
		d.Memory.Fresh = false
		d = d.with(checkpoint{})
	}
	if c.Failover.Requested() && v.Memory.ClearedFor != c.Failover.Version && !c.Failover.ScheduledAt.After(v.Wall) {
		d.Memory.ClearedFor = c.Failover.Version
		d = d.with(clearFailover(v))
	}
	if !c.Initialize.Present {
		d = d.with(nameCluster(v))
	}
	if c.Config.Values == nil && len(v.Self.Config) > 0 {
		d = d.with(put{dcs.Write{Key: dcs.ConfigKey, Value: v.Self.Config, Prev: c.Config.Version}})
	}
	return keepSlots(v, d)
}

// finishBootstrap makes the roles of a new cluster, then names it in the store.
func finishBootstrap(v view) decision {
	init := v.Store.Cluster.Initialize
	switch {
	case v.Job.ended(jobPostBootstrap) && v.Job.Err == "":
		d := say(v, "bootstrap/done", "initialized a new cluster")
		d.Memory.Bootstrap = false
		if v.Store.Cluster.Config.Values == nil && len(v.Self.Config) > 0 {
			d = d.with(put{dcs.Write{Key: dcs.ConfigKey, Value: v.Self.Config, Prev: v.Store.Cluster.Config.Version}})
		}
		return d.with(put{dcs.Write{Key: dcs.InitializeKey, Value: []byte(v.Server.SystemID), Prev: init.Version}}).within(v, 0)
	case v.Now.Before(v.Memory.Clones.Next):
		return say(v, "bootstrap/post/pause", "the new cluster could not be finished: %s", v.Memory.Clones.Why).at(v.Memory.Clones.Next)
	}
	return say(v, "bootstrap/post", "making the roles of the new cluster").with(run{Kind: jobPostBootstrap})
}

func clearFailover(v view) action {
	return put{dcs.Write{Key: dcs.FailoverKey, Value: []byte("{}"), Prev: v.Store.Cluster.Failover.Version}}
}
