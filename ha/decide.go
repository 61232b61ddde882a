package ha

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// decide says what to do about a view. It is pure: the same view gives the same
// decision. Each question has a file of its own; the order in which they are
// asked is the order of precedence.
func decide(v view) decision {
	v.Memory = remember(v)
	d := askAboutPledges(v, answerTo(v))
	return publish(v, awaitRestart(v, settle(v, d)))
}

// settle tells the guard that there is nothing to fence any more, once that is
// certain: we hold no lease, and the server is stopped or a standby that nobody
// has asked to promote since it was started.
func settle(v view, d decision) decision {
	if v.Guard.asks() {
		return answerGuard(v, d)
	}
	if !v.Guard.Armed || v.Term.held() || v.Pledges.bind(v.Now) || v.Job.running() || !harmless(v) {
		return d
	}
	for _, a := range d.Actions {
		switch a.(type) {
		case acquire, run:
			return d
		}
	}
	d.Actions = append([]action{disarm{}}, d.Actions...)
	return d
}

// harmless says whether the server can't take a write, now or in a moment.
func harmless(v view) bool {
	return v.Server.PID == 0 || v.Server.Role == postgres.RoleReplica && v.Memory.Promoting.IsZero()
}

func answerTo(v view) decision {
	switch {
	case v.Request.Shutdown:
		return shutdown(v)
	case promotionOver(v):
		return say(v, "promote/over", "the lease ends before my promotion was asked for: giving it up").with(cancelJob{"the lease ends"}).within(v, slowPoll)
	case !v.Store.readable():
		return storeLost(v)
	case v.Term.Gone:
		return keyGone(v)
	case v.Term.held() && renewalsLost(v):
		return storeLostPrimary(v, min(v.Settings.LoopWait, time.Second))
	case v.Term.held():
		return leading(v)
	case v.Store.Cluster.Leader != nil && v.Store.Cluster.Leader.Name != v.Self.Name:
		return following(v)
	case v.Store.Cluster.Leader != nil:
		return strangeGrant(v)
	default:
		return vacant(v)
	}
}

// remember brings the memory up to date with what the view shows, before
// anything is decided.
func remember(v view) memory {
	m := v.Memory
	s := v.Server
	if s.PID == 0 || s.State == postgres.StateStarting || s.Role == postgres.RolePrimary {
		m.Promoting = 0 // a server that merely doesn't answer may still be on its way
	}
	if s.Role == postgres.RolePrimary {
		m.Promotes = tries{}
	}
	switch {
	case s.State == postgres.StateRunning:
		m.Starts = starts{}
		m.Recovered = false
	case s.PID == 0 && !m.Starts.Since.IsZero() && v.Job.Kind != jobStart:
		m.Starts = m.Starts.failed(v.Now, s.Problem)
	}
	if s.PID == 0 {
		m.Following = ""
	} else if m.Bootstrap && v.Term.held() {
		m.Begun = true
	}
	m.Unwell = unwellSince(v)
	switch {
	case s.State != postgres.StateRunning || s.Role != postgres.RoleReplica || s.Receiver != nil && s.Receiver.Streaming:
		m.Dry = 0
	case m.Dry.IsZero():
		m.Dry = v.Now
	}
	if v.Term.held() && m.Handover.Reason != "" && m.Handover.Term != v.Term.First {
		m.NotTaken, m.Refusal = m.Handover.Request, "nobody took over after I had handed over, and I lead again"
		m.Handover = handover{}
	}
	switch {
	case !neverArmed(v):
		m.Unarmed = 0
	case m.Unarmed.IsZero():
		m.Unarmed = v.Now
	}
	if v.Store.readable() {
		m = rememberCluster(v, m)
	}
	if !m.Vacant.IsZero() && heldBack(v, m) {
		m.HeldBack = v.Now
	}
	if v.Job.Done {
		m = rememberJob(v, m)
	}
	return m
}

func rememberCluster(v view, m memory) memory {
	c := v.Store.Cluster
	m = rememberLeader(v, m)
	switch {
	case !blank(c):
		m.Blank = 0
	case m.Blank.IsZero():
		m.Blank = v.Now
	}
	if c.Leader != nil && c.Leader.Name != v.Self.Name && c.Leader.Lineage != m.Checked.Lineage {
		m.Checked = checked{Lineage: c.Leader.Lineage}
	}
	if v.Term.held() {
		m.Checked = checked{}
		m.Rewinds = tries{}
	} else if m.Handover.Done && c.Leader != nil && c.Leader.Name != v.Self.Name {
		m.Handover = handover{} // somebody took over
	}
	switch {
	case !c.Failover.Requested():
		m.Requested = requested{}
	case m.Requested.Version != c.Failover.Version:
		m.Requested = requested{Version: c.Failover.Version, Since: v.Now}
	}
	if !c.Initialize.Present || c.Initialize.SystemID != "" {
		m.InitSince = 0
	}
	if dcs.ValidSystemID(c.Initialize.SystemID) {
		m.Bootstrap = false // the new cluster was finished, whatever we heard of our last word
	}
	return m
}

func rememberJob(v view, m memory) memory {
	failed := v.Job.Err != ""
	switch v.Job.Kind {
	case jobCheck:
		m.Checked.At = v.Now
		m.Checked.Attempts++
		if !failed {
			m.Checked.Missing = v.Job.Ancestry.Missing
		}
		switch {
		case failed:
			m.Checked.Reason = v.Job.Err
		case v.Job.Ancestry.Diverged:
			m.Checked.Result, m.Checked.Reason = ancestryDiverged, v.Job.Ancestry.Reason
		default:
			m.Checked.Result, m.Checked.Reason = ancestryFits, ""
		}
	case jobRewind:
		if failed {
			m.Rewinds = m.Rewinds.failed(v.Now, v.Job.Err)
		} else {
			m.Rewinds = tries{}
			m.Checked.Result, m.Checked.Reason = ancestryFits, ""
		}
	case jobClone, jobReinitialize:
		if failed {
			m.Clones = m.Clones.failed(v.Now, v.Job.Err)
		} else {
			m.Clones, m.Rewinds = tries{}, tries{}
			m.Checked.Result, m.Checked.Reason, m.Checked.Missing = ancestryFits, "", 0
		}
	case jobRecover:
		m.Recovered = !failed
		if failed {
			m.Starts = m.Starts.failed(v.Now, v.Job.Err)
		}
	case jobFollow:
		if failed {
			m.Following = ""
			m.Follows = m.Follows.failed(v.Now, v.Job.Err)
		} else {
			m.Follows = tries{}
			// The upstream before may have sent more while the histories were
			// compared: if this one doesn't stream, that is to be asked soon.
			m.Checked.At = 0
		}
	case jobBootstrap, jobPostBootstrap:
		if failed {
			m.Clones = m.Clones.failed(v.Now, v.Job.Err)
		}
	case jobStart:
		switch {
		case failed:
			m.Starts = m.Starts.failed(v.Now, v.Job.Err)
		case v.Server.PID == 0: // it has ended before its start had
			m.Starts = m.Starts.failed(v.Now, v.Server.Problem)
		}
	case jobPromote:
		if v.Job.Unasked {
			m = unpromoted(m, v.Now, v.Job.Forbidden, v.Job.Err)
		} else {
			m.Promoting = v.Now
		}
	case jobRestart:
		m.Following = "" // it may have been started while nobody led
		if failed && v.Server.State == postgres.StateStarting {
			m.Starts.Since = v.Job.Since // from now on a start like any other
		}
	case jobHandOver:
		m.Handover.Stopped, m.Handover.Ended = !failed, v.Now
		m.Handover.Failed = v.Job.Err
	}
	return m
}

// unwellSince follows for how long the server has let nobody in. Which process
// it is counts: a new one gets its own time.
func unwellSince(v view) unwell {
	s := v.Server
	switch {
	case s.PID == 0 || s.Answers && s.Refuses == "":
		return unwell{}
	case v.Memory.Unwell.PID == s.PID:
		return v.Memory.Unwell
	case !s.Answers && !s.AnsweredAt.IsZero():
		return unwell{Since: s.AnsweredAt, PID: s.PID}
	}
	return unwell{Since: v.Now, PID: s.PID}
}

// say is a decision with nothing to do but to wait for the next cycle.
func say(v view, id, format string, args ...any) decision {
	return decision{ID: id, Reason: fmt.Sprintf(format, args...), Memory: v.Memory, Next: v.Now.Add(v.Settings.LoopWait)}
}

// inJob is what to do while a job is under way that nothing stands against.
func inJob(v view, id string) decision {
	what := string(v.Job.Kind)
	if v.Job.Target != "" {
		what += " with " + v.Job.Target
	}
	return say(v, id, "%s in progress", what)
}
