package ha

import (
	"time"

	"github.com/regent-ha/regent/postgres"
)

// vacant is for a cluster that nobody leads.
func vacant(v view) decision {
	s := v.Server
	pledged := v.Pledged.binds(v.Now)
	if newCluster(v) && !pledged && handicap(v) == "" {
		return say(v, "bootstrap/acquire", "taking the leader key before the new cluster's first start").with(acquire{}).within(v, 0)
	}
	if s.Role == postgres.RolePrimary && v.Pledges.bind(v.Now) && !pledged {
		return say(v, "failsafe/acquire", "the leader key is gone and all members have pledged: taking it again").with(acquire{}).within(v, 0)
	}
	if v.Job.running() && v.Job.Kind == jobCheck && s.Role != postgres.RolePrimary {
		// Whom it asks may be lost with all that was to be learnt, and it would be
		// waited for in silence.
		why := "nobody leads: giving up the comparison with " + v.Job.Target
		return say(v, "vacant/check", "%s", why).with(cancelJob{why}).within(v, slowPoll)
	}
	if d, ok := dataFirst(v); ok {
		return d
	}
	switch {
	case s.Role == postgres.RolePrimary:
		return demote(v, "vacant/primary", "demoting self because I do not have the lock and I was a leader")
	case s.State == postgres.StateStopped:
		return vacantStopped(v)
	case s.State == postgres.StateRunning:
		return stand(v)
	}
	return notReady(v)
}

// newCluster says whether we have made a data directory for a new cluster that
// nobody has started yet.
func newCluster(v view) bool {
	return firstStart(v) && v.Server.Data == postgres.DataValid && !v.Job.running() && v.Server.PID == 0 &&
		v.Store.Cluster.Initialize.Present && v.Store.Cluster.Initialize.SystemID == ""
}

// vacantStopped brings the server up read-only: only a running standby knows
// how far it has come, and can stand for election.
func vacantStopped(v view) decision {
	if h := v.Memory.Handover; h.Done {
		if courteous(v) && len(v.Store.Cluster.Members) > 1 {
			return say(v, "vacant/handed-over", "waiting for another member to take over after the %s", h.Reason).within(v, handedOverWait-vacantFor(v))
		}
	}
	return startAsStandby(v, "vacant/start", "starting as a secondary, since nobody leads", postgres.Upstream{})
}

// startAsStandby starts the server read-only, and not again right after a start
// that failed.
func startAsStandby(v view, id, reason string, up postgres.Upstream) decision {
	if v.Now.Before(v.Memory.Starts.Next) {
		return say(v, id+"/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next)
	}
	d := say(v, id, "%s", reason)
	d.Memory.Starts.Since = v.Now
	d.Memory.Following = upstreamDigest(up)
	return d.with(startStandby{up}).within(v, startPoll)
}

// How soon to look again at a server that is on its way.
const (
	startPoll   = 10 * time.Millisecond
	promotePoll = 3 * time.Millisecond
	slowPoll    = 100 * time.Millisecond
)

// notReady is for a server that runs and doesn't let us in (yet).
func notReady(v view) decision {
	s := v.Server
	if stalled(v) {
		return stop(v, "stalled", postgres.StopImmediate, "PostgreSQL has not answered a new connection for primary_stall_timeout: stopping it")
	}
	poll := startPoll
	if !v.Memory.Starts.Since.IsZero() && v.Now.Sub(v.Memory.Starts.Since) > time.Second {
		poll = slowPoll
	}
	if s.State == postgres.StateUnknown && s.Problem != "" {
		return say(v, "server/unknown", "PostgreSQL runs and does not answer: %s", s.Problem).within(v, slowPoll)
	}
	return say(v, "server/"+string(s.State), "PostgreSQL is %s", s.State).within(v, poll)
}

// stalled says whether the postmaster has answered nobody for too long.
func stalled(v view) bool { return unwellForLong(v) && !v.Server.Answers }

// refusing says whether the server has turned everybody away for too long, for a
// fault of its own.
func refusing(v view) bool { return unwellForLong(v) && v.Server.Refuses != "" }

func unwellForLong(v view) bool {
	limit := v.Settings.PrimaryStallTimeout
	return limit > 0 && !v.Memory.Unwell.Since.IsZero() && v.Now.Sub(v.Memory.Unwell.Since) >= limit
}

// demote stops a server that takes writes and must not.
func demote(v view, id, reason string) decision {
	return stop(v, id, postgres.StopFast, reason)
}

// stop stops the server as the one job. How hard is bounded: what mustn't run is
// gone after seconds.
func stop(v view, id string, mode postgres.StopMode, reason string) decision {
	if v.Job.running() && v.Job.Kind != jobStop && v.Job.Kind != jobHandOver {
		return say(v, id, "%s", reason).with(cancelJob{reason}).within(v, slowPoll)
	}
	if v.Job.running() {
		return say(v, id, "%s", reason)
	}
	return say(v, id, "%s", reason).with(run{Kind: jobStop, Stop: inTime(v, postgres.Stop{Mode: mode, Escalate: time.Second})})
}

// stand is for a running standby when nobody leads.
func stand(v view) decision {
	verdict := candidate(v)
	d := say(v, verdict.ID, "%s", verdict.Reason)
	d.Verdicts = verdict.Others
	switch {
	case verdict.Wait:
		return d.with(verdict.asks()...).at(verdict.Until)
	case verdict.Fit:
		d.Memory.Winning = winning{Status: v.Store.Cluster.Status.Version, History: v.Store.Cluster.History.Version}
		return d.with(acquire{}).within(v, 0)
	}
	// Whoever is fitter may not make it: look again, with new answers.
	if next := v.Memory.Round.Add(electionRound); v.Now.Before(next) {
		return d.at(next)
	}
	d.Memory.Round = v.Now
	return d.within(v, 0)
}

// electionRound is for how long the answers of one round stand.
const electionRound = time.Second
