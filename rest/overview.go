package rest

import (
	"net"
	"net/url"
	"strconv"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// Overview is a cluster as GET /cluster and the control program show it.
type Overview struct {
	Scope    string
	SystemID string // empty: not known
	Members  []MemberOverview
	Paused   bool
	Failover dcs.Failover
}

// MemberOverview is one member in it.
type MemberOverview struct {
	dcs.Member
	Host string // of its PostgreSQL; empty: not known
	Port int
	Role string // leader, standby_leader, sync_standby, quorum_standby or replica

	// Positions that a standby has received and replayed, and what it lacks.
	Receive, Replay, Last Position
}

// Position is how far a standby is.
type Position struct {
	LSN postgres.LSN // 0: unknown
	Lag uint64       // bytes that it lacks of what the leader said last
}

// Leads says whether the member holds the leader key.
func (m MemberOverview) Leads() bool { return m.Role == "leader" || m.Role == roleStandbyLeader }

// NewOverview is what c says of the cluster of that name.
func NewOverview(scope string, c dcs.Cluster) Overview {
	// Settings that can't be used say nothing about roles.
	settings, _, _ := ha.ParseSettings(c.Config.Values, ha.ShortFloors())
	o := Overview{Scope: scope, SystemID: c.Initialize.SystemID, Paused: settings.Pause, Failover: c.Failover}
	for _, m := range c.Members {
		o.Members = append(o.Members, memberOverview(m, c, settings))
	}
	return o
}

func memberOverview(m dcs.Member, c dcs.Cluster, settings ha.Settings) MemberOverview {
	o := MemberOverview{Member: m, Role: clusterRole(m.Name, c, settings)}
	if u, err := url.Parse(m.ConnURL); err == nil && u.Hostname() != "" {
		o.Host, o.Port = u.Hostname(), 5432
		if port, err := strconv.Atoi(u.Port()); err == nil {
			o.Port = port
		}
	}
	if o.Leads() {
		return o
	}
	if m.ReplicationState != "" {
		o.State = m.ReplicationState
	}
	receive, replay := m.ReceiveLSN, m.ReplayLSN
	if receive == 0 && replay == 0 { // written by an old version
		if m.ReplicationState == replicationStreaming {
			receive = m.Location
		} else {
			replay = m.Location
		}
	}
	at := func(lsn uint64) Position {
		p := Position{LSN: postgres.LSN(lsn)}
		if lsn != 0 && c.Status.Optime > lsn {
			p.Lag = c.Status.Optime - lsn
		}
		return p
	}
	o.Receive, o.Replay, o.Last = at(receive), at(replay), at(m.Location)
	return o
}

func clusterRole(name string, c dcs.Cluster, settings ha.Settings) string {
	switch {
	case c.LeaderName() == name && settings.Standby():
		return roleStandbyLeader
	case c.LeaderName() == name:
		return "leader"
	case settings.SynchronousMode == ha.SynchronousQuorum && c.Sync.Has(name):
		return "quorum_standby"
	case settings.SynchronousMode == ha.SynchronousOn && c.Sync.Has(name):
		return "sync_standby"
	}
	return roleReplica
}

// Address is host:port of the member's PostgreSQL; empty: not known.
func (m MemberOverview) Address() string {
	if m.Host == "" {
		return ""
	}
	return net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
}
