package ha

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// succession is who could lead after us.
type succession struct {
	wait     bool
	until    clock.Instant
	ask      []dcs.Member
	fit      []string
	verdicts []Verdict
}

func (s succession) asks() []action {
	if len(s.ask) == 0 {
		return nil
	}
	return []action{ask{s.ask}}
}

// why are the reasons against each member, in parentheses.
func (s succession) why() string {
	var reasons []string
	for _, verdict := range s.verdicts {
		reasons = append(reasons, verdict.Member+": "+verdict.Reason)
	}
	if len(reasons) == 0 {
		return ""
	}
	return " (" + strings.Join(reasons, "; ") + ")"
}

// refusalStands is for how long the answer of a member stands that can't lead.
const refusalStands = 200 * time.Millisecond

// successors finds the members that could lead after us, by answers no older
// than a round. With a name it looks at that member alone. What an operator asks
// for isn't judged by answers, or by silence, from before it was asked.
func successors(v view, only string) succession {
	var passing clock.Instant // when a member is asked again that may be fit in a moment
	result := succession{}
	for _, m := range v.Store.Cluster.Members {
		if m.Name == v.Self.Name || m.APIURL == "" || only != "" && m.Name != only {
			continue
		}
		p := v.Peers[m.Name]
		silent := max(p.Silent, v.Memory.Requested.Since)
		switch {
		case p.awaited() && v.Now.Before(silent.Add(peerSilence)):
			if !p.Flying || p.Asked.Before(v.Memory.Requested.Since) {
				result.ask = append(result.ask, m)
			}
			result.wait = true
			result.until = clock.Earliest(result.until, silent.Add(peerSilence))
			continue
		case p.awaited():
			result.verdicts = append(result.verdicts, Verdict{Member: m.Name, Reason: "silent"})
			continue
		case p.Answered.IsZero() || v.Now.Sub(p.Answered) > electionRound || p.Asked.Before(v.Memory.Requested.Since):
			result.ask = append(result.ask, m)
			result.wait = true
			result.until = clock.Earliest(result.until, v.Now.Add(peerSilence))
			continue
		}
		verdict := succeeds(v, m, p)
		if stale := v.Now.Sub(p.Answered) > refusalStands; !verdict.Fit && !stale && mayPass(v, p) {
			passing = clock.Earliest(passing, p.Answered.Add(refusalStands))
		}
		if !verdict.Fit && v.Now.Sub(p.Answered) > refusalStands {
			// It may have come back since: nobody is turned down by an old answer.
			result.ask = append(result.ask, m)
			result.wait = true
			result.until = clock.Earliest(result.until, v.Now.Add(peerSilence))
			continue
		}
		result.verdicts = append(result.verdicts, verdict)
		if verdict.Fit {
			result.fit = append(result.fit, m.Name)
		}
	}
	if len(result.fit) == 0 && !passing.IsZero() {
		result.wait, result.until = true, clock.Earliest(result.until, passing)
	}
	return result
}

// mayPass says whether what keeps a member from leading may be over in a moment, for
// which a request waits.
func mayPass(v view, p peer) bool {
	since := v.Memory.Requested.Since
	return p.Status.Passing && !since.IsZero() && v.Now.Before(since.Add(peerSilence))
}

// succeeds says whether m could lead after us.
func succeeds(v view, m dcs.Member, p peer) Verdict {
	a := p.Status
	no := func(format string, args ...any) Verdict {
		return Verdict{Member: m.Name, Reason: fmt.Sprintf(format, args...)}
	}
	// Ours may not say any more on which timeline it is, and of one that has crashed
	// no more than its last checkpoint is known.
	tl := cmp.Or(uint32(v.Server.Timeline), v.Memory.History)
	lag := int64(max(uint64(v.Server.Location), v.Store.Cluster.Status.Optime)) - int64(a.Location)
	switch {
	case p.Err != "":
		return no("can't be reached: %s", p.Err)
	case !a.Running || !a.InRecovery:
		return no("is no running replica")
	case a.NoFailover || m.Tags.NoFailover():
		return no("tagged nofailover")
	case a.Watchdog:
		return no("its watchdog doesn't work")
	case a.Unfit != "" && !(a.PledgedTo == v.Self.Name && a.Unfit == pledgedTo(v.Self.Name) && crashed(v)):
		return no("%s", a.Unfit)
	case tl != 0 && a.Timeline != tl:
		return no("is on timeline %d, not on %d", a.Timeline, tl)
	case lag > v.Settings.MaximumLagOnFailover:
		return no("its wal position exceeds maximum replication lag (%d of %d bytes)", lag, v.Settings.MaximumLagOnFailover)
	}
	return Verdict{Member: m.Name, Fit: true, Reason: "could lead"}
}

// crashed says whether our server has ended under us: whoever keeps still for us can
// lead as soon as that is over, sooner than a server that doesn't start.
func crashed(v view) bool {
	return v.Server.State == postgres.StateStopped && v.Memory.Handover.Reason == ""
}

// failoverRequest answers a request for a switchover or failover, as leader. It
// returns false when there is nothing to do about it now, and the request is to
// be cleared unless it lies in the future.
func failoverRequest(v view) (decision, bool) {
	f := v.Store.Cluster.Failover
	what := "manual failover"
	if f.Leader != "" {
		what = "switchover"
	}
	if d, waiting := awaitSchedule(v, what); waiting {
		return d, true
	}
	switch {
	case v.Memory.ClearedFor == f.Version:
		return decision{}, false
	case v.Memory.NotTaken == f.Version:
		return refuseFailover(v, "%s: %s", what, v.Memory.Refusal), true
	case !f.ScheduledAt.IsZero() && v.Wall.Sub(f.ScheduledAt) > v.Settings.LoopWait*3/2:
		return refuseFailover(v, "Found a stale %s value, cleaning up: %s", what, f.ScheduledAt.Format(time.RFC3339)), true
	case f.Candidate == v.Self.Name && f.Leader != v.Self.Name:
		return seenTo(v, "failover/served", "%s: I am the leader, as was asked for", what), true
	case f.Leader != "" && f.Leader != v.Self.Name:
		return refuseFailover(v, "%s: leader name does not match: %s != %s", what, f.Leader, v.Self.Name), true
	case f.Candidate == v.Self.Name:
		return refuseFailover(v, "%s: I am already the leader, no need to %s", what, what), true
	}
	choice := successors(v, f.Candidate)
	switch {
	case choice.wait:
		d := say(v, "failover/ask", "%s: asking the candidates how they are", what).with(choice.asks()...).at(choice.until)
		d.Verdicts = choice.verdicts
		return d, true
	case len(choice.fit) == 0:
		d := refuseFailover(v, "%s: no healthy members found%s, %s is not possible", what, choice.why(), what)
		d.Verdicts = choice.verdicts
		return d, true
	}
	d := say(v, "failover/begin", "%s: demoting myself", what)
	d.Memory.Handover = leaveOffice(v, what)
	d.Memory.Handover.To, d.Memory.Handover.Request = f.Candidate, f.Version
	d.Verdicts = choice.verdicts
	return d.within(v, 0), true
}

func refuseFailover(v view, format string, args ...any) decision {
	return seenTo(v, "failover/refused", format, args...)
}

// seenTo clears a request that there is nothing more to do about.
func seenTo(v view, id, format string, args ...any) decision {
	d := say(v, id, format, args...)
	d.Memory.ClearedFor = v.Store.Cluster.Failover.Version
	return d.with(clearFailover(v)).within(v, 0)
}

// awaitSchedule keeps a request for later until its time has come.
func awaitSchedule(v view, what string) (decision, bool) {
	at := v.Store.Cluster.Failover.ScheduledAt
	wait := at.Sub(v.Wall)
	if at.IsZero() || wait <= 0 {
		return decision{}, false
	}
	d := say(v, "failover/scheduled", "Awaiting %s at %s (in %d seconds)", what, at.Format(time.RFC3339), int64(wait.Seconds()))
	return keepSlots(v, d).within(v, wait), true
}

// refusalStop is how long a server that can't let anybody in may take to stop in order.
const refusalStop = 5 * time.Second

// leaveOffice begins a leader's way out of office.
func leaveOffice(v view, why string) handover {
	return handover{Reason: why, Term: v.Term.First, Since: v.Now}
}

// handOver takes a leader out of office: its server is stopped, then its lease
// is released with the position that it came to, if nothing is lost by that.
func handOver(v view) decision {
	h := v.Memory.Handover
	switch {
	case h.Failed != "":
		d := say(v, "handover/failed", "%s failed: %s", h.Reason, h.Failed)
		d.Memory.Handover = handover{}
		return d.within(v, time.Second)
	case v.Job.running() && v.Job.Kind != jobHandOver:
		return leadInJob(v)
	case v.Job.running():
		return say(v, "handover/stopping", "%s: demoting myself", h.Reason)
	case !h.Stopped || v.Server.PID != 0:
		s := postgres.Stop{Mode: postgres.StopFast, Checkpoint: true, Escalate: v.Settings.TTL}
		switch {
		case h.Reason == "refusal": // what it wrote may still get to the others
			s = postgres.Stop{Mode: postgres.StopFast, Escalate: refusalStop}
		case h.Reason == "stall" || v.Server.State != postgres.StateRunning:
			s = postgres.Stop{Mode: postgres.StopImmediate, Escalate: time.Second}
		}
		return say(v, "handover/stop", "%s: stopping PostgreSQL", h.Reason).with(run{Kind: jobHandOver, Stop: s})
	}
	return letGo(v)
}

// shutdown is for an agent that was told to end. A leader hands over first, if
// somebody can take over.
func shutdown(v view) decision {
	s := v.Server
	late := v.Now.Sub(v.Request.ShutdownAt) > v.Settings.TTL
	h := v.Memory.Handover
	switch {
	case v.Term.held() && h.Reason != "":
		return renewing(v, handOver(v))
	case v.Term.held() && s.State == postgres.StateRunning && s.Role == postgres.RolePrimary && v.Store.readable() && !late:
		return renewing(v, shutdownLeader(v))
	case v.Job.running() && v.Job.Kind != jobStop:
		return say(v, "shutdown/job", "shutting down").with(cancelJob{"the agent is shutting down"}).within(v, slowPoll)
	case s.PID != 0:
		return stop(v, "shutdown/stop", postgres.StopFast, "shutting down: stopping PostgreSQL")
	case v.Term.held():
		d := say(v, "shutdown/release", "shutting down: released the leader key")
		return d.with(release{finalDocuments(v)}, disarm{}).within(v, 0)
	case h.Done && !late && v.Store.readable() && v.Store.Cluster.Leader == nil && len(v.Store.Cluster.Members) > 1:
		return say(v, "shutdown/successor", "waiting for another member to take over").within(v, slowPoll)
	}
	return say(v, "shutdown/leave", "the agent has ended").with(disarm{}, leave{})
}

func shutdownLeader(v view) decision {
	choice := successors(v, "")
	if choice.wait {
		return say(v, "shutdown/ask", "shutting down: asking the others who can take over").with(choice.asks()...).at(choice.until)
	}
	if len(choice.fit) == 0 {
		d := stop(v, "shutdown/alone", postgres.StopFast, "shutting down: nobody can take over, stopping PostgreSQL")
		return d
	}
	d := say(v, "shutdown/handover", "shutting down: handing over")
	d.Memory.Handover = leaveOffice(v, "shutdown")
	return d.within(v, 0)
}

// renewing keeps the lease alive through a decision that doesn't end it.
func renewing(v view, d decision) decision {
	switch {
	case gives(d) || !v.Store.readable() || v.Term.Gone:
		return d
	case v.Now.Before(v.Term.Plan.Renew):
		return d.at(v.Term.Plan.Renew)
	}
	docs := leaderDocuments(v, &d)
	d.Actions = append([]action{renew{docs}}, d.Actions...)
	return d
}
