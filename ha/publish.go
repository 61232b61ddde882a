package ha

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// publish adds the member's entry to a decision: at once when something else
// than a position has changed, else once a cycle.
func publish(v view, d decision) decision {
	if !v.Store.readable() {
		return d
	}
	entry := memberEntry(v, d)
	digest := entryDigest(entry)
	_, there := v.Store.Cluster.Member(v.Self.Name)
	due := !v.Now.Before(v.Memory.LastTouch.Add(v.Settings.LoopWait))
	if there && !due && digest == v.Memory.Touched {
		return d.at(v.Memory.LastTouch.Add(v.Settings.LoopWait))
	}
	if d.Memory.FirstTouch.IsZero() {
		d.Memory.FirstTouch = v.Now
	}
	d.Memory.LastTouch = v.Now
	d.Memory.Touched = digest
	// The last of the actions: what is published is how the cycle was begun.
	return d.with(touch{entry}).within(v, v.Settings.LoopWait)
}

// memberEntry is what others are told of us.
func memberEntry(v view, d decision) dcs.Member {
	s := v.Server
	m := dcs.Member{
		Name: v.Self.Name, ConnURL: v.Self.ConnURL, APIURL: v.Self.APIURL, ProxyURL: v.Self.ProxyURL,
		Version: v.Self.Version, Regent: v.Self.Regent, Tags: v.Self.Tags,
		State: memberState(v, d), Role: memberRole(v),
		PendingRestart: pendingChanges(s.Pending),
		Timeline:       uint32(s.Timeline),
		Pause:          v.Settings.Pause,
		Problem:        memberProblem(v, d),

		ScheduledRestart: v.Request.Scheduled.entry(),
	}
	if v.Memory.Bootstrap {
		m.ConnURL = "" // nobody clones or follows a cluster that isn't finished
	}
	if s.State == postgres.StateRunning || s.State == postgres.StateStarting {
		m.Location = uint64(s.Location)
		m.ReplicationState = s.ReplicationState()
		if s.Role == postgres.RoleReplica {
			m.ReplayLSN, m.ReceiveLSN = uint64(s.Replayed), uint64(s.Received)
		}
	}
	return m
}

// memberState is our state in the words of the layout.
func memberState(v view, d decision) string {
	if v.Job.running() {
		switch v.Job.Kind {
		case jobBootstrap:
			return "initializing new cluster"
		case jobClone, jobReinitialize:
			return "creating replica"
		case jobRestart:
			return "restarting"
		case jobHandOver, jobStop:
			return "stopping"
		}
	}
	switch v.Server.State {
	case postgres.StateRunning, postgres.StateUnknown:
		return "running"
	case postgres.StateStarting:
		return "starting"
	case postgres.StateStopping:
		return "stopping"
	}
	switch {
	case d.Memory.Starts.Failed > 0:
		return "start failed"
	case v.Server.Control != nil && !v.Server.Control.CleanShutdown() && v.Server.Data == postgres.DataValid:
		return "crashed"
	}
	return "stopped"
}

func memberRole(v view) string {
	s := v.Server
	switch {
	case s.Role == postgres.RolePrimary:
		return "primary"
	case s.Role == postgres.RoleReplica && !v.Memory.Promoting.IsZero():
		return "promoted"
	case s.Role == postgres.RoleReplica:
		return "replica"
	case s.Data != postgres.DataValid:
		return "uninitialized"
	case s.PID == 0 && !s.Standby && v.Term.held():
		return "demoted"
	}
	return "replica"
}

// memberProblem says in one line why this member is not what it should be.
func memberProblem(v view, d decision) string {
	switch {
	case d.Memory.Checked.Result == ancestryDiverged:
		why := "diverged: " + d.Memory.Checked.Reason
		if d.Memory.Rewinds.Why != "" {
			why += "; " + d.Memory.Rewinds.Why
		}
		return why
	case d.Memory.Starts.Failed > 0:
		return d.Memory.Starts.Why
	case d.Memory.Clones.Why != "" && v.Server.Data != postgres.DataValid:
		return d.Memory.Clones.Why
	case v.Server.Data == postgres.DataForeign, v.Server.Data == postgres.DataUnknown:
		return v.Server.Problem
	case foreign(v):
		return foreignReason(v)
	case v.Server.State == postgres.StateRunning && d.Memory.Checked.Missing != 0:
		return walRemoved(d.Memory.Checked.Missing)
	}
	return v.Server.Problem
}

// entryDigest tells entries apart that differ in more than positions.
func entryDigest(m dcs.Member) string {
	m.Location, m.ReplayLSN, m.ReceiveLSN = 0, 0, 0
	h := fnv.New64a()
	text, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	h.Write(text)
	return fmt.Sprintf("%016x", h.Sum64())
}

func pendingChanges(pending map[string]postgres.Change) map[string]dcs.PendingChange {
	if len(pending) == 0 {
		return nil
	}
	out := make(map[string]dcs.PendingChange, len(pending))
	for name, c := range pending {
		out[name] = dcs.PendingChange{Old: c.Old, New: c.New}
	}
	return out
}

// memberUpstream is where a standby finds m's server.
func memberUpstream(v view, m dcs.Member) (postgres.Upstream, bool) {
	u, err := url.Parse(m.ConnURL)
	if m.ConnURL == "" || err != nil || u.Hostname() == "" {
		return postgres.Upstream{}, false
	}
	port := 5432
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err == nil {
			port = n
		}
	}
	up := postgres.Upstream{Name: m.Name, Host: u.Hostname(), Port: port}
	if v.Self.UseSlots {
		up.Slot = dcs.SlotName(v.Self.Name)
	}
	return up, true
}
