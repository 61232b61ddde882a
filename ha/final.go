package ha

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// A leader that has stopped its server for a successor holds the lease on until it
// knows of one that has all of its WAL: who is asked now that nothing is written any
// more can't be behind by what came after the answer. Without one it leads on.

const (
	// finalWait is for how long it asks.
	finalWait = peerSilence
	// finalPoll is how soon it asks again who lacked something.
	finalPoll = 20 * time.Millisecond
)

// lossless says whether a handover must lose nothing: one that was planned, and not
// one from a server that can't go on, nor a failover that names its candidate.
func lossless(h handover) bool { return h.Reason == "switchover" || h.Reason == "shutdown" }

// finalPosition is where the WAL of our stopped server ends, if it was stopped in order:
// its last record is the checkpoint there, which has no row.
func finalPosition(v view) (postgres.LSN, bool) {
	s := v.Server
	if s.PID != 0 || s.Location == 0 || s.Control == nil || s.Control.State != "shut down" {
		return 0, false
	}
	return s.Location, true
}

// letGo is for a leader whose server has stopped for a handover.
func letGo(v view) decision {
	h := v.Memory.Handover
	if !lossless(h) {
		return releaseTo(v, "")
	}
	final, known := finalPosition(v)
	have := receivers(v, final)
	leaving := h.Reason == "shutdown" || v.Request.Shutdown
	switch {
	case known && len(have.fit) > 0:
		return releaseTo(v, "")
	case known && v.Now.Before(h.Ended.Add(finalWait)):
		d := say(v, "handover/ask", "%s: asking who has all of my WAL", h.Reason).with(have.asks()...).at(h.Ended.Add(finalWait))
		d.Verdicts = have.verdicts
		return d.within(v, finalPoll)
	case leaving && known:
		return releaseTo(v, "although nobody has all of my WAL"+have.why())
	case leaving:
		return releaseTo(v, "although it can't be told who has all of my WAL: PostgreSQL didn't stop in order")
	case !known:
		return keepOffice(v, "PostgreSQL didn't stop in order")
	}
	return keepOffice(v, "nobody has all of my WAL"+have.why())
}

// releaseTo ends the lease with the position that the server came to.
func releaseTo(v view, although string) decision {
	d := say(v, "handover/release", "%s: released the leader key", v.Memory.Handover.Reason)
	if although != "" {
		d.Reason += ", " + although
	}
	d.Memory.Handover.Done = true
	return d.with(release{finalDocuments(v)}, disarm{}).within(v, 0)
}

// keepOffice starts the server again where it was primary under the lease that we
// still hold. Where it may not, it comes back as a standby with all that it has.
func keepOffice(v view, why string) decision {
	h := v.Memory.Handover
	lapsing := v.Term.Unknown && !v.Now.Before(v.Term.Plan.GiveUp)
	switch {
	case !mayStartInPlace(v) || lapsing:
		d := say(v, "handover/given-up", "%s: %s, and PostgreSQL may not be started in place: released the leader key", h.Reason, why)
		d.Memory.Handover = handover{}
		d.Memory.NotTaken, d.Memory.Refusal = h.Request, why
		return d.with(release{finalDocuments(v)}, disarm{}).within(v, 0)
	case v.Now.Before(v.Memory.Starts.Next):
		return say(v, "handover/kept/pause", "failed to start postgres: %s", v.Memory.Starts.Why).at(v.Memory.Starts.Next)
	}
	d := say(v, "handover/kept", "%s: %s: starting PostgreSQL again", h.Reason, why)
	d.Memory.Handover = handover{}
	d.Memory.NotTaken, d.Memory.Refusal = h.Request, why
	d.Memory.Starts.Since = v.Now
	return d.with(startPrimary{v.Term.Plan.Timer}).within(v, startPoll)
}

// receivers finds the members that have our WAL up to final, by answers to what was
// asked since the server stopped. Who lacks something is asked again and again.
func receivers(v view, final postgres.LSN) succession {
	result := succession{}
	h := v.Memory.Handover
	for _, m := range v.Store.Cluster.Members {
		if m.Name == v.Self.Name || m.APIURL == "" || h.To != "" && m.Name != h.To {
			continue
		}
		p := v.Peers[m.Name]
		if p.Asked.Before(h.Ended) || p.awaited() {
			if p.Asked.Before(h.Ended) || !p.Flying {
				result.ask = append(result.ask, m)
			}
			result.verdicts = append(result.verdicts, Verdict{Member: m.Name, Reason: "has not answered"})
			continue
		}
		verdict := receives(v, m, p, final)
		result.verdicts = append(result.verdicts, verdict)
		if verdict.Fit {
			result.fit = append(result.fit, m.Name)
		} else if !v.Now.Before(p.Answered.Add(finalPoll)) {
			result.ask = append(result.ask, m)
		}
	}
	return result
}

// receives says whether m could lead after us, and has our WAL up to final.
func receives(v view, m dcs.Member, p peer, final postgres.LSN) Verdict {
	verdict := succeeds(v, m, p)
	if lacks := int64(final) - int64(p.Status.Location); verdict.Fit && lacks > 0 {
		return Verdict{Member: m.Name, Reason: fmt.Sprintf("lacks %d bytes", lacks)}
	}
	return verdict
}

// undrained says whether we have stopped for a handover that must lose nothing, and
// don't know yet of anybody who has all of our WAL.
func undrained(v view) bool {
	h := v.Memory.Handover
	return lossless(h) && h.Stopped && !h.Done && v.Term.held()
}
