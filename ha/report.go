package ha

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// Report is what an agent knows, as of its last cycle. Times tell how old it is.
type Report struct {
	Name     string
	Cluster  dcs.Cluster
	Known    bool          // the cluster was read at least once
	Readable bool          // it could be read in the last cycle that tried
	ReadAt   clock.Instant // when that was begun, or until when nothing has changed since
	LastSeen time.Time     // the same by the wall clock; zero: never

	Server postgres.Status
	Member dcs.Member // as published

	// LeadsUntil is when nothing says any more that this member leads: the end
	// of its lease, or of the pledges of all others. Compare it with the clock
	// at the moment of the answer. Zero: it doesn't lead.
	LeadsUntil clock.Instant
	Failsafe   bool // it leads on the word of the other members
	// PledgedUntil is until when this member keeps still for a leader that has
	// lost the store. Zero: it has never been asked.
	PledgedUntil clock.Instant
	// NoPledges says that no pledges of others count for this member, and that it isn't
	// asking for any: it leads by its lease, or neither its server nor its guard lets
	// anybody write.
	NoPledges bool
	unable    bool   // to take a write, as of the report: see NoPledges
	PledgedTo string // whom it keeps still for, as of the report; empty: for nobody
	// Handicap is what keeps this member from leading at the moment, and may pass: its
	// guard doesn't answer, its run directory can't be written, or it can't reach the
	// store. Empty: nothing.
	Handicap string
	// OffHistory is how this standby's WAL left the cluster's history. Empty: it
	// didn't, as far as it can tell by itself.
	OffHistory string
	// NotPromoted is why this member won't run for leader for a while: its last
	// promotion came to nothing. Empty: it did, or there was none.
	NotPromoted string

	Settings Settings
	Decision Decision
	CycleAt  clock.Instant
	NextAt   clock.Instant
	Job      string            // the long job under way; empty: none
	Progress postgres.Progress // of that job, where it can be told: a clone
}

// Pledged says whether this member keeps still for a leader without the store.
func (r Report) Pledged(now clock.Instant) bool { return now.Before(r.PledgedUntil) }

// Diverged says whether this member has compared its WAL with a leader's history
// and isn't on it.
func (r Report) Diverged() bool { return strings.HasPrefix(r.Member.Problem, "diverged") }

// Unfit is what keeps this member from leading and no other can find out by itself;
// empty: nothing.
func (r Report) Unfit() string {
	switch {
	case r.Diverged():
		return r.Member.Problem
	case r.OffHistory != "":
		return r.OffHistory
	case r.NotPromoted != "":
		return r.NotPromoted
	case r.Handicap == "" && r.PledgedTo != "":
		return pledgedTo(r.PledgedTo)
	}
	return r.Handicap
}

// pledgedTo is what makes a member unfit that keeps still for a leader.
func pledgedTo(leader string) string { return "it has pledged to " + leader }

// Passing says whether what keeps this member from leading may be over in a moment.
func (r Report) Passing() bool { return r.Handicap != "" && r.Unfit() == r.Handicap }

// Leads says whether this member is the leader at now.
func (r Report) Leads(now clock.Instant) bool { return now.Before(r.LeadsUntil) }

// Decision is one decision of the agent, for people.
type Decision struct {
	At       time.Time `json:"at"`
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason"`
	Actions  []string  `json:"actions,omitempty"`
	Verdicts []Verdict `json:"candidates,omitempty"`
	Repeated int       `json:"repeated,omitempty"` // how often the same was decided again
	// View is all that the decision was made from, where it was kept: see Replay.
	View json.RawMessage `json:"view,omitempty"`
}

// keptDecisions is how many different decisions are remembered.
const keptDecisions = 100

type reports struct {
	mu        sync.Mutex
	report    Report
	decisions []Decision
	kept      []kept
	view      view // of the last decision
}

func (r *reports) add(v view, d decision, a *Agent) {
	entry := forPeople(v, d)
	report := Report{
		Name: a.cfg.Name, Cluster: v.Store.Cluster, Known: v.Store.Received, Readable: v.Store.readable(), ReadAt: a.knownAt,
		Server: v.Server, Member: memberEntry(v, d), Settings: v.Settings, Decision: entry, CycleAt: v.Now, NextAt: d.Next,
		OffHistory: offHistoryAt(v, v.Server), Handicap: handicap(v),
	}
	report.unable = harmless(v) && !v.Guard.Armed && !v.Guard.asks() && !(v.Term.held() && v.Job.running())
	if _, waits := mayHavePledged(v); waits && report.Handicap == "" {
		report.Handicap = "it may have pledged before its host was booted"
	}
	if v.Now.Before(d.Memory.Promotes.Next) {
		report.NotPromoted = "its last promotion came to nothing: " + d.Memory.Promotes.Why
	}
	if v.Pledged.To != "" {
		report.PledgedUntil = v.Pledged.Until
	}
	if v.Store.Received {
		report.LastSeen = v.Wall.Add(-v.Now.Sub(a.knownAt))
	}
	if v.Job.running() && !v.Job.brief() {
		report.Job, report.Progress = string(v.Job.Kind), v.Job.Progress
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report, r.view = report, v
	last := len(r.decisions) - 1
	if last >= 0 && r.decisions[last].Rule == entry.Rule && r.decisions[last].Reason == entry.Reason {
		entry.Repeated = r.decisions[last].Repeated + 1
		entry.At = r.decisions[last].At
		if len(entry.Actions) == 0 {
			entry.Actions = r.decisions[last].Actions
		}
		r.decisions[last] = entry
		return
	}
	if len(r.decisions) == keptDecisions {
		r.decisions = r.decisions[1:]
	}
	r.decisions = append(r.decisions, entry)
	r.keep(entry, v)
}

// forPeople is d in their words. What every cycle does isn't worth one.
func forPeople(v view, d decision) Decision {
	entry := Decision{At: v.Wall, Rule: d.ID, Reason: conceal(d.Reason), Verdicts: d.Verdicts}
	for _, act := range d.Actions {
		if _, routine := act.(touch); !routine {
			entry.Actions = append(entry.Actions, conceal(act.String()))
		}
	}
	return entry
}

func (r *reports) last() Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.decisions) == 0 {
		return Decision{}
	}
	return r.decisions[len(r.decisions)-1]
}

// Report returns what the agent knows. It never waits for the server or the store.
func (a *Agent) Report() Report {
	a.reports.mu.Lock()
	r := a.reports.report
	a.reports.mu.Unlock()
	r.Member.ScheduledRestart = a.requests.look().Scheduled.entry() // answers say at once what was asked for
	t := a.office.get()
	p := a.pledges.look()
	now := a.clock.Now()
	r.NoPledges = a.begun.Load() && !p.Trying && !now.Before(p.Plan.End) && (r.unable || t.held() && !t.Gone && now.Before(t.Plan.End))
	if word := a.pledged.look(); word.binds(a.clock.Now()) {
		r.PledgedTo = word.To
	}
	if t.held() && (t.Gone || !t.Plan.End.IsZero()) && (t.Armed != 0 || t.Writable != "") {
		r.LeadsUntil = t.Plan.Timer
		if p.Plan.Timer > r.LeadsUntil {
			r.LeadsUntil, r.Failsafe = p.Plan.Timer, true
		}
	}
	return r
}

// Refresh is Report with the server's state of this moment, for whoever compares
// positions: a member that stands for election.
func (a *Agent) Refresh(ctx context.Context) Report {
	r := a.Report()
	r.Server = a.cfg.PostgreSQL.Status(ctx)
	a.reports.mu.Lock()
	v := a.reports.view
	a.reports.mu.Unlock()
	r.OffHistory = offHistoryAt(v, r.Server)
	return r
}

// offHistoryAt is why the WAL of a standby in this state isn't on the history of the
// cluster as v has it; empty: it is, or nothing is known of its own history yet.
func offHistoryAt(v view, s postgres.Status) string {
	if s.Role != postgres.RoleReplica || s.Timeline != v.Server.Timeline || s.Timeline > 1 && len(v.History) == 0 {
		return ""
	}
	v.Server = s
	return offHistory(v)
}

// Decisions are the last different decisions, oldest first.
func (a *Agent) Decisions() []Decision {
	a.reports.mu.Lock()
	defer a.reports.mu.Unlock()
	return append([]Decision(nil), a.reports.decisions...)
}

// Client is the agent's handle on its cluster.
func (a *Agent) Client() *dcs.Client { return a.client }
