package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// Words of the layout that answers depend on.
const (
	stateRunning = "running"

	rolePrimary       = "primary"
	roleReplica       = "replica"
	roleStandbyLeader = "standby_leader"

	replicationStreaming = "streaming"
)

// formatVersion is the release of Patroni whose formats are spoken.
const formatVersion = ha.Version

// facts is all that health checks depend on, at one moment.
type facts struct {
	role        string
	state       string
	replication string // replication_state of a standby; empty: none known

	leads  bool // the right to lead ends later than now
	view   bool // the cluster as we know it is recent
	paused bool

	standbyCluster bool
	syncStandby    bool
	quorumStandby  bool
	failsafe       bool // it leads on the others' word, or has given its own
	diverged       bool // its WAL isn't on the cluster's history

	// Positions in bytes: of the leader as far as we know, and how much of it
	// this standby has.
	leaderAt, received, replayed uint64

	tags dcs.Tags
	lag  int64 // maximum_lag_on_failover
}

// factsAt is what r says at now.
func factsAt(r ha.Report, now clock.Instant) facts {
	settings := settingsOf(r)
	f := facts{
		role: roleOf(r, now), state: stateOf(r, now), replication: r.Server.ReplicationState(),
		leads: r.Leads(now), paused: settings.Pause, standbyCluster: settings.Standby(), failsafe: r.Failsafe || r.Pledged(now),
		view:     r.Known && r.Readable && now.Before(r.ReadAt.Add(settings.TTL)),
		diverged: r.Diverged(),
		received: uint64(r.Server.Received), replayed: uint64(r.Server.Replayed),
		tags: r.Member.Tags, lag: settings.MaximumLagOnFailover,
	}
	if f.received == 0 {
		f.received = f.replayed
	}
	if f.view {
		f.leaderAt = r.Cluster.Status.Optime
	}
	if r.Server.Receiver != nil {
		f.leaderAt = max(f.leaderAt, uint64(r.Server.Receiver.LatestEnd))
	}
	if r.Server.Role == postgres.RoleReplica && r.Cluster.Sync.Has(r.Name) {
		f.syncStandby = settings.SynchronousMode == ha.SynchronousOn
		f.quorumStandby = settings.SynchronousMode == ha.SynchronousQuorum
	}
	return f
}

// settingsOf are the cluster's settings: the defaults before any were read.
func settingsOf(r ha.Report) ha.Settings {
	if r.Settings.TTL == 0 {
		return ha.DefaultSettings()
	}
	return r.Settings
}

// roleOf is the server's role by its own word, else the agent's.
func roleOf(r ha.Report, now clock.Instant) string {
	switch {
	case r.Server.Role == postgres.RolePrimary:
		return rolePrimary
	case r.Server.Role == postgres.RoleReplica && settingsOf(r).Standby() && r.Leads(now):
		return roleStandbyLeader
	case r.Server.Role == postgres.RoleReplica:
		return roleReplica
	case r.Member.Role != "":
		return r.Member.Role
	}
	return roleReplica
}

// stateOf is the member's state; unknown when the server didn't answer, and when
// the agent hasn't looked for so long that it means nothing any more.
func stateOf(r ha.Report, now clock.Instant) string {
	switch {
	case r.Member.State == "", stale(r, now):
		return dcs.StateUnknown
	case r.Member.State == stateRunning && r.Server.State != postgres.StateRunning:
		return dcs.StateUnknown
	}
	return r.Member.State
}

// stale says whether the agent has missed its looks for two TTLs.
func stale(r ha.Report, now clock.Instant) bool {
	return now.After(nextLook(r).Add(2 * settingsOf(r).TTL))
}

// nextLook is when the agent was to look again at the latest.
func nextLook(r ha.Report) clock.Instant {
	return clock.Earliest(r.NextAt, r.CycleAt.Add(settingsOf(r).LoopWait))
}

// check is the status of the health check at path, given the facts. The first
// rule that matches the path decides; most match any path that contains a word.
func check(path string, q query, f facts) int {
	good, tagged := f.path(path, q)
	if good && (!tagged || q.tagsMatch(f.tags)) {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func (f facts) path(path string, q query) (good, tagged bool) {
	contains := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(path, w) })
	}
	leads := f.primary() || f.standbyLeader()
	switch {
	case contains("standby_leader", "standby-leader"):
		return f.standbyLeader(), false
	case contains("leader"):
		return f.leader(), false
	case path == "/", contains("master", "primary", "read-write"):
		return f.primary(), false
	case contains("replica"):
		return f.replica(q), true
	case contains("read-only") && !contains("sync", "quorum"):
		return leads || f.replica(q), true
	case contains("health"):
		return f.state == stateRunning, true
	case !f.view:
		return false, true
	}
	switch path {
	case "/sync", "/synchronous":
		return f.syncStandby && f.replica(q), true
	case "/quorum":
		return f.quorumStandby && f.replica(q), true
	case "/async", "/asynchronous":
		return !f.syncStandby && !f.quorumStandby && f.replica(q), true
	case "/read-only-quorum":
		return leads || f.quorumStandby && f.replica(q), true
	case "/read-only-sync", "/read-only-synchronous":
		return leads || f.syncStandby && f.replica(q), true
	}
	return false, true
}

// lost says that nothing but a pause lets roles stand: no view of the cluster.
func (f facts) lost() bool { return !f.view && f.paused }

func (f facts) leader() bool {
	if f.lost() {
		return f.role == rolePrimary || f.role == roleStandbyLeader
	}
	return f.leads
}

func (f facts) primary() bool {
	if f.lost() {
		return f.role == rolePrimary
	}
	return f.leads && !f.standbyCluster
}

func (f facts) standbyLeader() bool {
	if f.lost() {
		return f.role == roleStandbyLeader
	}
	return f.leads && f.standbyCluster && (f.role == roleReplica || f.role == roleStandbyLeader)
}

// replica says whether this is a standby to read from. One whose WAL left the
// cluster's history serves rows that the cluster doesn't have.
func (f facts) replica(q query) bool {
	return !f.tags.NoLoadBalance() && !f.diverged && f.role == roleReplica && f.state == stateRunning &&
		!(f.leads && f.standbyCluster && !f.lost()) &&
		!q.lagging(f.leaderAt, f.replayed) && q.replicationMatches(f.replication)
}
