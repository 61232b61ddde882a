package ha

import (
	"fmt"
	"slices"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// dataFirst answers for a member that doesn't lead and whose data directory or
// identity needs something before anything else can be decided.
func dataFirst(v view) (decision, bool) {
	s := v.Server
	switch {
	case v.Job.running() && s.Role == postgres.RolePrimary:
		return demote(v, "job/primary", "demoting self because I do not have the lock"), true
	case v.Job.running():
		return inJob(v, "job"), true
	case s.Role == postgres.RoleReplica && !v.Memory.Promoting.IsZero():
		// The request may still take effect: only a restart makes it a standby for certain.
		return demote(v, "promotion/lost", "the lease was lost during the promotion: stopping PostgreSQL"), true
	case s.Role == postgres.RolePrimary && (s.Data != postgres.DataValid || s.SystemID == ""):
		return demote(v, "data/primary", "demoting self because I do not have the lock, and the data directory can't be looked at: "+s.Problem), true
	case s.Data == postgres.DataUnknown:
		return say(v, "data/unknown", "data directory is not accessible: %s", s.Problem), true
	case s.Data == postgres.DataForeign:
		return say(v, "data/foreign", "the data directory is not empty and holds no PostgreSQL cluster: %s", s.Problem), true
	case s.Data == postgres.DataEmpty, s.Data == postgres.DataIncomplete:
		return empty(v), true
	case s.SystemID == "":
		return say(v, "data/identity", "data dir for the cluster is not empty, but system ID is invalid: %s", s.Problem), true
	case !v.Store.Cluster.Initialize.Present:
		d := say(v, "initialize/claim", "the store has no initialize key, and our data has the identifier %s", s.SystemID)
		if s.Role == postgres.RolePrimary {
			d = demote(v, "initialize/claim-primary", "demoting self because I do not have the lock, and naming the cluster, since the store has no initialize key")
		}
		return d.with(nameCluster(v)).within(v, 0), true
	case foreign(v) && s.Role == postgres.RolePrimary:
		return demote(v, "initialize/foreign-primary", foreignReason(v)), true
	case foreign(v):
		return say(v, "initialize/foreign", "%s", foreignReason(v)), true
	}
	return decision{}, false
}

// nameCluster puts our cluster's name where the store has none. One that isn't
// finished has none yet: its leader still makes its roles.
func nameCluster(v view) action {
	name := []byte(v.Server.SystemID)
	if v.Memory.Bootstrap {
		name = []byte{}
	}
	return put{dcs.Write{Key: dcs.InitializeKey, Value: name, Prev: dcs.Absent}}
}

// foreign says whether our data is of another cluster than the store's.
func foreign(v view) bool {
	id := v.Store.Cluster.Initialize.SystemID
	return dcs.ValidSystemID(id) && v.Server.SystemID != "" && id != v.Server.SystemID
}

func foreignReason(v view) string {
	return fmt.Sprintf("system ID mismatch: the data directory is of cluster %s, the store's cluster is %s: staying out of it, nothing is touched",
		v.Server.SystemID, v.Store.Cluster.Initialize.SystemID)
}

// empty is for a member without a data directory.
func empty(v view) decision {
	c := v.Store.Cluster
	switch {
	case v.Server.PID != 0:
		// Its directory went away below it, or was never finished.
		return stop(v, "empty/running", postgres.StopImmediate, "the data directory is not there: stopping what still runs")
	case v.Memory.Bootstrap && v.Job.ended(jobBootstrap) && v.Job.Err != "" && c.Initialize.Present && c.Initialize.SystemID == "":
		return bootstrapFailed(v)
	case v.Now.Before(v.Memory.Clones.Next):
		return say(v, "empty/pause", "trying again soon: %s", v.Memory.Clones.Why).at(v.Memory.Clones.Next)
	case c.Leader != nil && c.Leader.Name != v.Self.Name:
		return clone(v)
	case c.Initialize.Present && c.Initialize.SystemID != "":
		return say(v, "empty/no-leader", "waiting for a leader to clone from")
	case v.Memory.Bootstrap && c.Initialize.Present:
		return bootstrap(v)
	case c.Initialize.Present:
		return waitForBootstrap(v)
	}
	return mayBootstrap(v)
}

func mayBootstrap(v view) decision {
	switch {
	case !v.Self.Bootstrap:
		return say(v, "bootstrap/not-configured", "waiting for leader to bootstrap: this member's configuration has no bootstrap section")
	case v.Self.Tags.NoFailover():
		return say(v, "bootstrap/nofailover", "waiting for leader to bootstrap: this member is tagged nofailover")
	}
	// Those count too whose entries went a moment ago: a store that was wiped shows
	// no member with data.
	for _, m := range electorate(v) {
		if m.Name != v.Self.Name && (hasData(m) || makesData(m)) {
			return say(v, "bootstrap/others-have-data", "waiting for %s, which has data, to lead", m.Name)
		}
	}
	ready := v.Memory.FirstTouch.Add(v.Settings.LoopWait)
	if v.Memory.FirstTouch.IsZero() || v.Now.Before(ready) {
		d := say(v, "bootstrap/look-around", "waiting a cycle for members that have data")
		if !v.Memory.FirstTouch.IsZero() {
			d.Next = ready
		}
		return d
	}
	d := say(v, "bootstrap/claim", "trying to bootstrap a new cluster")
	d.Memory.Bootstrap, d.Memory.Begun = true, false
	return d.with(put{dcs.Write{Key: dcs.InitializeKey, Value: []byte{}, Prev: dcs.Absent}}).within(v, 0)
}

// hasData says whether m reports a data directory of its own.
func hasData(m dcs.Member) bool {
	if m.Role == "uninitialized" || m.Role == "" {
		return false
	}
	return !slices.Contains([]string{"", "creating replica"}, m.State) && !makesData(m)
}

// makesData says whether m reports that it makes the cluster.
func makesData(m dcs.Member) bool {
	return m.State == "initializing new cluster" || m.State == "running custom bootstrap script"
}

// bootstrap goes on with the new cluster that is ours to make. The leader key is
// taken before the server's first start.
func bootstrap(v view) decision {
	return say(v, "bootstrap/initdb", "bootstrapping a new cluster").with(run{Kind: jobBootstrap})
}

// bootstrapFailed gives the cluster free to be made again, by us or another.
func bootstrapFailed(v view) decision {
	d := say(v, "bootstrap/failed", "removing initialize key after failed attempt to bootstrap the cluster: %s", v.Job.Err)
	d.Memory.Bootstrap = false
	return d.with(put{dcs.Write{Key: dcs.InitializeKey, Prev: v.Store.Cluster.Initialize.Version}}).at(v.Memory.Clones.Next)
}

// waitForBootstrap waits for another member, and after a TTL in which none is at
// it gives the cluster free to be made again.
func waitForBootstrap(v view) decision {
	for _, m := range v.Store.Cluster.Members {
		if m.Name != v.Self.Name && (makesData(m) || hasData(m)) {
			d := say(v, "bootstrap/wait", "waiting for leader to bootstrap: %s is at it", m.Name)
			d.Memory.InitSince = 0
			return d
		}
	}
	if v.Memory.InitSince.IsZero() {
		d := say(v, "bootstrap/wait", "waiting for leader to bootstrap")
		d.Memory.InitSince = v.Now
		return d.within(v, v.Settings.TTL)
	}
	until := v.Memory.InitSince.Add(v.Settings.TTL + v.Settings.LoopWait)
	if v.Now.Before(until) {
		return say(v, "bootstrap/wait", "waiting for leader to bootstrap").at(until)
	}
	d := say(v, "bootstrap/abandoned", "whoever began to bootstrap the cluster is gone: removing the initialize key")
	d.Memory.InitSince = 0
	return d.with(put{dcs.Write{Key: dcs.InitializeKey, Prev: v.Store.Cluster.Initialize.Version}}).within(v, 0)
}

// clone copies a member that runs: one that is tagged for it, or the leader.
func clone(v view) decision {
	c := v.Store.Cluster
	source, ok := taggedSource(v)
	if !ok {
		source, ok = c.Member(c.Leader.Name)
	}
	up, reachable := memberUpstream(v, source)
	if !dcs.ValidSystemID(c.Initialize.SystemID) {
		return say(v, "clone/bootstrapping", "waiting for leader to bootstrap: %s is at it", c.Leader.Name)
	}
	if !ok || !reachable || source.State != "running" || source.Name == c.Leader.Name && source.Role != "primary" && source.Role != "standby_leader" {
		return say(v, "clone/not-ready", "waiting for leader to bootstrap: %s can't be cloned from yet", c.Leader.Name)
	}
	kind := "replica"
	if source.Name == c.Leader.Name {
		kind = "leader"
	}
	return say(v, "clone", "bootstrap from %s '%s'", kind, source.Name).with(run{Kind: jobClone, Target: source.Name, Up: up})
}

// taggedSource is a replica that is tagged to be cloned from, and is well.
func taggedSource(v view) (dcs.Member, bool) {
	c := v.Store.Cluster
	for _, m := range c.Members {
		if m.Tags.CloneFrom() && m.State == "running" && m.Problem == "" && m.Name != v.Self.Name && m.Name != c.Leader.Name {
			return m, true
		}
	}
	return dcs.Member{}, false
}
