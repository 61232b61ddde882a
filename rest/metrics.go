package rest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// states are the states of a member in the order of their numbers.
var states = [...]string{
	"initializing new cluster", "initdb failed", "running custom bootstrap script", "custom bootstrap failed",
	"creating replica", "running", "starting", "starting after custom bootstrap", "start failed", "restarting",
	"restart failed", "stopping", "stopped", "stop failed", "crashed",
}

const stateValues = "0=initdb, 1=initdb_failed, 2=custom_bootstrap, 3=custom_bootstrap_failed, 4=creating_replica, 5=running, 6=starting, " +
	"7=bootstrap_starting, 8=start_failed, 9=restarting, 10=restart_failed, 11=stopping, 12=stopped, 13=stop_failed, 14=crashed"

// reading is what metrics are computed from.
type reading struct {
	report ha.Report
	facts  facts
	now    clock.Instant
}

// metric is one series of this member.
type metric struct {
	name, help string
	counter    bool
	value      func(reading) (value float64, known bool)
}

func gauge(name, help string, value func(reading) float64) metric {
	return metric{name: name, help: help, value: func(r reading) (float64, bool) { return value(r), true }}
}

func yes(name, help string, value func(reading) bool) metric {
	return gauge(name, help, func(r reading) float64 { return number(value(r)) })
}

func counter(name, help string, value func(reading) float64) metric {
	m := gauge(name, help, value)
	m.counter = true
	return m
}

// ifAnswering leaves a metric out while the server's version isn't known.
func ifAnswering(m metric) metric {
	value := m.value
	m.value = func(r reading) (float64, bool) {
		n, _ := value(r)
		return n, r.report.Server.ServerVersion != 0
	}
	return m
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func series() []metric {
	isRole := func(role string) func(reading) bool {
		return func(r reading) bool { return r.facts.role == role }
	}
	return []metric{
		gauge("patroni_version", "Release of Patroni whose formats are spoken, two digits for each part.", func(reading) float64 { return versionNumber(formatVersion) }),
		yes("patroni_postgres_running", "1 if PostgreSQL runs.", func(r reading) bool { return r.facts.state == stateRunning }),
		gauge("patroni_postmaster_start_time", "Epoch seconds since which PostgreSQL runs.", func(r reading) float64 { return epoch(r.report.Server.StartedAt) }),
		yes("patroni_primary", "1 if this member is the primary.", isRole(rolePrimary)),
		counter("patroni_xlog_location", "Position of the primary's WAL in bytes, 0 on a replica.", func(r reading) float64 { return position(r, postgres.RolePrimary, r.report.Server.Location) }),
		yes("patroni_standby_leader", "1 if this member leads a standby cluster.", isRole(roleStandbyLeader)),
		yes("patroni_replica", "1 if this member is a replica.", isRole(roleReplica)),
		yes("patroni_sync_standby", "1 if this member is a synchronous standby.", func(r reading) bool { return r.facts.syncStandby }),
		yes("patroni_quorum_standby", "1 if this member is a standby of the quorum.", func(r reading) bool { return r.facts.quorumStandby }),
		counter("patroni_xlog_received_location", "Position of the WAL that was received, in bytes, 0 on the primary.", func(r reading) float64 {
			return position(r, postgres.RoleReplica, postgres.LSN(r.facts.received))
		}),
		counter("patroni_xlog_replayed_location", "Position of the WAL that was replayed, in bytes, 0 on the primary.", func(r reading) float64 {
			return position(r, postgres.RoleReplica, r.report.Server.Replayed)
		}),
		gauge("patroni_xlog_replayed_timestamp", "Epoch seconds of the commit that was replayed last, 0 if there is none.", func(r reading) float64 { return epoch(r.report.Server.ReplayedAt) }),
		yes("patroni_xlog_paused", "1 if replay is paused.", func(r reading) bool { return r.report.Server.ReplayPaused }),
		ifAnswering(yes("patroni_postgres_streaming", "1 if this member streams.", func(r reading) bool { return r.facts.replication == replicationStreaming })),
		ifAnswering(yes("patroni_postgres_in_archive_recovery", "1 if this member replays the archive.", func(r reading) bool { return r.facts.replication == "in archive recovery" })),
		gauge("patroni_postgres_server_version", "Version of PostgreSQL, 0 if it does not run.", func(r reading) float64 { return float64(r.report.Server.ServerVersion) }),
		yes("patroni_cluster_unlocked", "1 if nobody holds the leader key.", func(r reading) bool { return !r.facts.view || r.report.Cluster.Unlocked() }),
		yes("patroni_failsafe_mode_is_active", "1 if the primary leads on the word of the other members.", func(r reading) bool { return r.facts.failsafe }),
		yes("patroni_failsafe_mode_enabled", "1 if failsafe_mode is on.", func(r reading) bool { return r.report.Settings.Failsafe }),
		yes("patroni_failsafe_member", "1 if this member is in the failsafe map.", func(r reading) bool {
			return r.report.Cluster.Failsafe.Members[r.report.Name] != ""
		}),
		gauge("patroni_postgres_timeline", "Timeline of PostgreSQL, 0 if it is not known.", func(r reading) float64 { return float64(r.report.Server.Timeline) }),
		gauge("patroni_dcs_last_seen", "Epoch seconds at which the store could be read last.", func(r reading) float64 { return float64(unixSeconds(r.report.LastSeen)) }),
		yes("patroni_pending_restart", "1 if settings wait for a restart.", func(r reading) bool { return r.report.Member.PendingRestart != nil }),
		yes("patroni_is_paused", "1 if the cluster is paused.", func(r reading) bool { return r.facts.paused }),
		gauge("patroni_postgres_state", "Number of the state of PostgreSQL. Values: "+stateValues+"; -1 if it is not known.", func(r reading) float64 {
			return float64(slices.Index(states[:], r.facts.state))
		}),
		gauge("patroni_failover_priority", "Rank among candidates for a failover, 0 if this member is none.", func(r reading) float64 {
			return float64(r.facts.tags.FailoverPriority())
		}),
		gauge("regent_lease_remaining_seconds", "Seconds for which this member may lead without another renewal, 0 if it does not lead.", func(r reading) float64 {
			return max(r.report.LeadsUntil.Sub(r.now).Seconds(), 0)
		}),
		gauge("regent_last_cycle_age_seconds", "Seconds since the agent looked at its cluster last.", func(r reading) float64 {
			return r.now.Sub(r.report.CycleAt).Seconds()
		}),
		yes("regent_diverged", "1 if this member's WAL is not on the cluster's history.", func(r reading) bool { return r.facts.diverged }),
	}
}

func position(r reading, role postgres.Role, lsn postgres.LSN) float64 {
	if r.report.Server.Role != role {
		return 0
	}
	return float64(lsn)
}

// versionNumber is 4.1.4 as 40104.
func versionNumber(version string) float64 {
	n := 0
	for part := range strings.SplitSeq(version, ".") {
		digits, _ := strconv.Atoi(part)
		n = n*100 + digits
	}
	return float64(n)
}
