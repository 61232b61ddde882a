package ha

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// peerSilence is for how long a member whose entry lives is waited for before
// its silence counts as an answer. It protects rows that only that member has:
// it is not there to be shortened.
const peerSilence = 2 * time.Second

// Verdict says why a member may lead or not.
type Verdict struct {
	Member string `json:"member"`
	Fit    bool   `json:"fit"`
	Reason string `json:"reason"`
}

// candidacy is the result of the candidate test.
type candidacy struct {
	ID     string
	Reason string
	Fit    bool
	Wait   bool          // undecided until answers come, or Until passes
	Until  clock.Instant // when silence has become an answer
	Ask    []dcs.Member  // who must be asked first
	Others []Verdict
}

func (c candidacy) asks() []action {
	if len(c.Ask) == 0 {
		return nil
	}
	return []action{ask{c.Ask}}
}

func unfit(id, format string, args ...any) candidacy {
	return candidacy{ID: "election/" + id, Reason: fmt.Sprintf(format, args...)}
}

// candidate says whether we, a running standby, may take the leader key, by what
// we know of ourselves, of the cluster's history and of the other members.
func candidate(v view) candidacy {
	if c, out := ownFitness(v); out {
		return c
	}
	if c, waits := mayHavePledged(v); waits {
		return c
	}
	return awaitKnown(v, compareWithPeers(v))
}

// ownFitness finds what keeps us from leading whatever the others say.
func ownFitness(v view) (candidacy, bool) {
	c := v.Store.Cluster
	s := v.Server
	named := c.Failover.Requested() && c.Failover.Candidate == v.Self.Name
	manual := named && c.Failover.Leader == ""
	switch {
	case v.Self.Tags.NoFailover():
		return unfit("nofailover", "following a different leader because I am not allowed to promote"), true
	case handicap(v) != "":
		return unfit("handicap", "I can't lead: %s", handicap(v)), true
	case v.Now.Before(v.Memory.Promotes.Next):
		return unfit("not-promoted", "my last promotion came to nothing: %s", v.Memory.Promotes.Why), true
	case v.Pledged.binds(v.Now):
		return unfit("pledged", "I have pledged to %s, who leads without the store", v.Pledged.To), true
	case barred(c, v.Self.Name):
		return unfit("not-in-failsafe", "I am not in the failsafe map: its members may have pledged without me"), true
	case v.Memory.Checked.Result == ancestryDiverged:
		return unfit("diverged", "my WAL is not on the cluster's history: %s", v.Memory.Checked.Reason), true
	case s.Location == 0 || s.Timeline == 0:
		return unfit("unknown-position", "my WAL position is not known: %s", s.Problem), true
	}
	if why := offHistory(v); why != "" {
		return unfit("history", "my WAL is not on the cluster's history: %s", why), true
	}
	if lag := int64(c.Status.Optime) - int64(s.Location); lag > v.Settings.MaximumLagOnFailover && !manual {
		return unfit("lag", "My wal position exceeds maximum replication lag (%d of %d bytes)", lag, v.Settings.MaximumLagOnFailover), true
	}
	if v.Settings.CheckTimeline && behindTimeline(c, uint32(s.Timeline)) {
		tl, _ := c.Timeline()
		return unfit("timeline", "My timeline %d is behind last known cluster timeline %d", s.Timeline, tl), true
	}
	return candidacy{}, false
}

// barred says whether a member isn't in the failsafe map. That counts as long as the
// map is there, whatever failsafe_mode says: a leader may go on by the pledges of those
// who are in it, and only a leader takes it away.
func barred(c dcs.Cluster, name string) bool {
	return len(c.Failsafe.Members) > 0 && c.Failsafe.Members[name] == ""
}

func behindTimeline(c dcs.Cluster, tl uint32) bool {
	last, known := c.Timeline()
	return known && tl < last
}

// offHistory says why our WAL is not an ancestor of the cluster's latest, by the
// content of the history and not by the timeline's number. Empty: it is one.
func offHistory(v view) string {
	h := v.Store.Cluster.History
	tl, known := v.Store.Cluster.Timeline()
	if !known {
		return ""
	}
	mine, at := uint32(v.Server.Timeline), uint64(v.Server.Location)
	if mine > tl {
		return ahead(v, tl)
	}
	for _, line := range h.Lines {
		switch {
		case line.Timeline == mine && at > line.LSN:
			return fmt.Sprintf("timeline %d ended at %s, and I have WAL of it up to %s", mine, postgres.LSN(line.LSN), postgres.LSN(at))
		case line.Timeline < mine:
			if own, ok := v.ownSwitch(line.Timeline); ok && own != line.LSN {
				return fmt.Sprintf("the cluster left timeline %d at %s, I left it at %s", line.Timeline, postgres.LSN(line.LSN), postgres.LSN(own))
			}
		}
	}
	return ""
}

// ahead is for a member whose timeline is newer than the cluster's history
// knows. A leader publishes its history right after its promotion; one that
// died before leaves followers like that behind, whose timeline branched off
// where an election would have let it. Anything else is a stray promotion.
func ahead(v view, tl uint32) string {
	branch, ok := v.ownSwitch(tl)
	switch {
	case uint32(v.Server.Timeline) != tl+1 || !ok:
		return fmt.Sprintf("my timeline is %d, the cluster's is %d", v.Server.Timeline, tl)
	case int64(v.Store.Cluster.Status.Optime)-int64(branch) > v.Settings.MaximumLagOnFailover:
		return fmt.Sprintf("my timeline %d left the cluster's timeline %d at %s, and its leader was at %s after that",
			v.Server.Timeline, tl, postgres.LSN(branch), postgres.LSN(v.Store.Cluster.Status.Optime))
	}
	for _, line := range v.Store.Cluster.History.Lines {
		if own, ok := v.ownSwitch(line.Timeline); !ok || own != line.LSN {
			return fmt.Sprintf("the cluster left timeline %d at %s, I didn't", line.Timeline, postgres.LSN(line.LSN))
		}
	}
	return ""
}

// ownSwitch is where our own history left timeline tl.
func (v view) ownSwitch(tl uint32) (uint64, bool) {
	for _, line := range v.History {
		if uint32(line.Timeline) == tl {
			return uint64(line.Switch), true
		}
	}
	return 0, false
}

// compareWithPeers weighs us against every member that may know better.
func compareWithPeers(v view) candidacy {
	result := candidacy{}
	var better string
	var takers []string
	for _, m := range electorate(v) {
		if m.Name == v.Self.Name || m.APIURL == "" {
			continue
		}
		opinion := weigh(v, m)
		if opinion.ask {
			result.Ask = append(result.Ask, m)
		}
		if opinion.wait {
			result.Wait = true
			result.Until = clock.Earliest(result.Until, opinion.until)
		}
		if opinion.fit && takes(v, m) {
			takers = append(takers, m.Name)
		}
		if opinion.better && better == "" {
			better = opinion.reason
		}
		result.Others = append(result.Others, Verdict{Member: m.Name, Fit: opinion.fit, Reason: opinion.reason})
	}
	if better != "" {
		return candidacy{ID: "election/other-is-better", Reason: "following a different leader because i am not the healthiest node: " + better, Others: result.Others}
	}
	if result.Wait {
		result.ID, result.Reason = "election/ask", "nobody leads: asking the other members how they are"
		return result
	}
	if why := requestedOther(v, takers); why != "" {
		return candidacy{ID: "election/requested-other", Reason: why, Others: result.Others}
	}
	result.ID, result.Reason, result.Fit = "election/fit", "I am the healthiest node: acquiring the leader key", true
	return result
}

// takes says whether m, which could lead, wouldn't leave the lead to us in its
// turn: only a manual failover takes a member that is behind another.
func takes(v view, m dcs.Member) bool {
	f := v.Store.Cluster.Failover
	return v.Peers[m.Name].Status.Location >= uint64(v.Server.Location) || f.Leader == "" && f.Candidate == m.Name
}

// requestedOther gives way where a switchover or failover asks for another
// member that can lead. It does so for a while: what keeps that one from it may
// not be known here, and somebody must lead.
func requestedOther(v view, fit []string) string {
	f := v.Store.Cluster.Failover
	if !courteous(v) {
		return ""
	}
	for _, name := range fit {
		if name == f.Candidate {
			return fmt.Sprintf("leaving the lead to %s, whom the failover request names", name)
		}
	}
	if f.Leader == v.Self.Name && f.Candidate != v.Self.Name && len(fit) > 0 {
		return fmt.Sprintf("leaving the lead to %v, since the switchover is away from me", fit)
	}
	return ""
}

// opinion is what one peer means for our candidacy.
type opinion struct {
	ask    bool
	wait   bool
	until  clock.Instant
	fit    bool // it could lead itself
	better bool // it must lead rather than we
	reason string
}

func weigh(v view, m dcs.Member) opinion {
	p := v.Peers[m.Name]
	if p.Asked.Before(v.Memory.Round) && !p.awaited() || p.Asked.IsZero() {
		return opinion{ask: true, wait: true, until: v.Now.Add(peerSilence), reason: "not asked yet"}
	}
	if p.awaited() {
		again := !p.Flying
		if until := p.Silent.Add(peerSilence); v.Now.Before(until) {
			return opinion{ask: again, wait: true, until: until, reason: "has not answered yet"}
		}
		return opinion{ask: again, reason: fmt.Sprintf("silent for %v", v.Now.Sub(p.Silent))}
	}
	return weighAnswer(v, m, p)
}

func weighAnswer(v view, m dcs.Member, p peer) opinion {
	a := p.Status
	mine := uint64(v.Server.Location)
	c := v.Store.Cluster
	switch {
	case p.Err != "":
		return opinion{reason: "can't be reached: " + p.Err}
	case !a.Running && mayReturn(v, m):
		return awaitReturn(v, p, "its PostgreSQL is not running, and has WAL that I lack")
	case !a.Running:
		return opinion{reason: "its PostgreSQL is not running"}
	case !a.InRecovery:
		return opinion{better: true, reason: fmt.Sprintf("Primary (%s) is still alive", m.Name)}
	case a.NoFailover || m.Tags.NoFailover():
		return opinion{reason: "tagged nofailover"}
	case a.Watchdog:
		return opinion{reason: "its watchdog doesn't work"}
	case a.Unfit != "" && a.Passing && a.Location > mine && !peerOffHistory(c, a) && returnLeft(v) > 0:
		return awaitReturn(v, p, a.Unfit+", and has WAL that I lack")
	case a.Unfit != "":
		return opinion{reason: a.Unfit}
	case barred(c, m.Name):
		return opinion{reason: "it is not in the failsafe map"}
	case peerOffHistory(c, a):
		return opinion{reason: fmt.Sprintf("its WAL on timeline %d is not on the cluster's history", a.Timeline)}
	case v.Settings.CheckTimeline && behindTimeline(c, a.Timeline):
		return opinion{reason: fmt.Sprintf("its timeline %d is behind the last known cluster timeline", a.Timeline)}
	case onOlderTimeline(v, a):
		return opinion{reason: fmt.Sprintf("its timeline %d is older than mine, and the store doesn't tell which is the cluster's", a.Timeline)}
	case a.Location > mine && c.Failover.Candidate != v.Self.Name:
		return giveWay(v, "Wal position of %s is ahead of my wal position", m.Name)
	case a.Location > mine && c.Failover.Leader != "":
		// A switchover drains to its candidate; one that is behind lost the race.
		return giveWay(v, "Wal position of %s is ahead of my wal position", m.Name)
	case a.Location == mine && a.Priority > v.Self.Tags.FailoverPriority() && c.Failover.Candidate != v.Self.Name && c.Failover.Leader != m.Name:
		return giveWay(v, "%s has the same wal position and a higher priority of failover %d", m.Name, a.Priority)
	case int64(c.Status.Optime)-int64(a.Location) > v.Settings.MaximumLagOnFailover:
		return opinion{reason: "its wal position exceeds maximum replication lag"}
	}
	return opinion{fit: true, reason: "could lead"}
}

// peerOffHistory says whether a peer's WAL goes past where the cluster left its
// timeline: it must be rewound, and its position says nothing.
func peerOffHistory(c dcs.Cluster, a PeerStatus) bool {
	for _, line := range c.History.Lines {
		if line.Timeline == a.Timeline && a.Location > line.LSN {
			return true
		}
	}
	return false
}
