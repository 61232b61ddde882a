package ha

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// decision is what to do now, and why.
type decision struct {
	ID      string // of the rule that decided, stable over releases
	Reason  string // one sentence, for the log
	Actions []action
	Memory  memory
	Next    clock.Instant // look again then at the latest
	// Verdicts say of each candidate why it may lead or not, when nobody does.
	Verdicts []Verdict
}

func (d decision) with(actions ...action) decision {
	d.Actions = append(d.Actions, actions...)
	return d
}

// within looks again d after now at the latest.
func (d decision) within(v view, wait time.Duration) decision {
	if at := v.Now.Add(wait); d.Next.IsZero() || at.Before(d.Next) {
		d.Next = at
	}
	return d
}

func (d decision) at(i clock.Instant) decision {
	d.Next = clock.Earliest(d.Next, i)
	return d
}

// does says whether a decision has an action of a kind.
func does[A action](d decision) bool {
	return slices.ContainsFunc(d.Actions, func(a action) bool {
		_, is := a.(A)
		return is
	})
}

// action is one effect. A failed one ends the cycle: the next begins with
// another look.
type action interface{ fmt.Stringer }

type (
	// acquire tries to take the leader key and arms the guard.
	acquire struct{}
	// renew extends our lease, writes what only the leader may, and arms the guard.
	renew struct{ Docs []dcs.Write }
	// release ends our lease. From then on nothing of it counts.
	release struct{ Docs []dcs.Write }
	// disarm tells the guard that the server is stopped or a standby.
	disarm struct{}
	// touch publishes our member entry.
	touch struct{ Member dcs.Member }
	// put writes a document that any member may write.
	put struct{ Write dcs.Write }
	// startPrimary starts the server where it was primary, under the armed lease.
	startPrimary struct{ NotAfter clock.Instant }
	// startStandby starts the server read-only.
	startStandby struct{ Up postgres.Upstream }
	// promote ends recovery under the armed lease.
	promote struct {
		NotAfter clock.Instant
		Again    bool // it was asked for before, and all that comes before that was done
	}
	// checkpoint begins one that nothing waits for.
	checkpoint struct{}
	// nudge makes a standby try its upstream again.
	nudge struct{}
	// syncSlots makes the members' slots those wanted.
	syncSlots struct {
		Wanted []postgres.WantedSlot
		Gone   []string
	}
	// run starts the one long job.
	run struct {
		Kind     jobKind
		Target   string
		Up       postgres.Upstream
		Stop     postgres.Stop
		Standby  bool          // a restart as a standby
		Timeout  time.Duration // of a restart's start; 0: none
		NotAfter clock.Instant
		Again    bool // see promote
	}
	// cancelJob ends the job under way.
	cancelJob struct{ Why string }
	// ask asks members how they are, past the store.
	ask struct{ Members []dcs.Member }
	// askPledges asks every member of the failsafe map to stay in its place.
	askPledges struct{ Members map[string]string }
	// answer tells whoever made the request how it ended.
	answer struct{ Reinitialize, Err string }
	// unschedule forgets a restart that was scheduled.
	unschedule struct{ Restart ScheduledRestart }
	// leave ends the agent.
	leave struct{ Err string }
)

func (acquire) String() string { return "acquire" }
func (a renew) String() string { return "renew" + documents(a.Docs) }
func (a release) String() string {
	return "release" + documents(a.Docs)
}
func (disarm) String() string { return "disarm" }
func (a touch) String() string {
	return fmt.Sprintf("touch state=%q role=%s", a.Member.State, a.Member.Role)
}
func (a put) String() string          { return "put" + documents([]dcs.Write{a.Write}) }
func (a startPrimary) String() string { return "start as primary" }
func (a startStandby) String() string { return "start as standby" + upstream(a.Up) }
func (a promote) String() string      { return "promote" }
func (checkpoint) String() string     { return "checkpoint" }
func (nudge) String() string          { return "nudge" }
func (a syncSlots) String() string {
	names := make([]string, 0, len(a.Wanted))
	for _, w := range a.Wanted {
		names = append(names, w.Name)
	}
	s := "slots " + strings.Join(names, ",")
	if len(a.Gone) > 0 {
		s += " without " + strings.Join(a.Gone, ",")
	}
	return s
}

func (a run) String() string {
	s := "run " + string(a.Kind)
	if a.Target != "" {
		s += " with " + a.Target
	}
	if a.Stop.Mode != "" {
		s += " " + string(a.Stop.Mode)
	}
	return s
}
func (a cancelJob) String() string { return "cancel the job" }

func (a ask) String() string {
	names := make([]string, 0, len(a.Members))
	for _, m := range a.Members {
		names = append(names, m.Name)
	}
	return "ask " + strings.Join(names, ",")
}
func (a askPledges) String() string { return fmt.Sprintf("ask %d members to pledge", len(a.Members)) }
func (a answer) String() string {
	return strings.TrimSpace("answer " + a.Reinitialize + " " + a.Err)
}
func (unschedule) String() string { return "unschedule the restart" }
func (a leave) String() string    { return strings.TrimSpace("leave " + a.Err) }

func upstream(up postgres.Upstream) string {
	if up.IsZero() {
		return ""
	}
	return " of " + up.Name
}

func documents(docs []dcs.Write) string {
	var b strings.Builder
	for _, w := range docs {
		fmt.Fprintf(&b, " %s=%s", w.Key, w.Value)
		if w.Prev == dcs.Absent && w.Value != nil {
			b.WriteString(" (if absent)")
		}
	}
	return b.String()
}
