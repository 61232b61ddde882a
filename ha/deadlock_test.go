package ha

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// TestSomebodyRuns lets running standbys that know all of each other judge
// themselves, each by its own view. If any may lead, at least one must run for it:
// courtesy must not leave the cluster without a leader.
func TestSomebodyRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := drawElection(t)
		var verdicts []string
		var able bool
		for _, v := range views {
			_, out := ownFitness(v)
			able = able || !out
			verdict := candidate(v)
			if verdict.Fit {
				return
			}
			verdicts = append(verdicts, fmt.Sprintf("%s at %d: %s", v.Self.Name, v.Server.Location, verdict.Reason))
		}
		if able {
			t.Fatalf("nobody leads, and nobody runs (failover %+v):\n%s", views[0].Store.Cluster.Failover, strings.Join(verdicts, "\n"))
		}
	})
}

// drawElection are the views that the members of a cluster have of it and of one
// another, after its leader has gone.
func drawElection(t *rapid.T) []view {
	names := []string{"a", "b", "c"}[:rapid.IntRange(2, 3).Draw(t, "members")]
	anyone := append([]string{"", "x"}, names...)
	pick := func(from []string, what string) string { return rapid.SampledFrom(from).Draw(t, what) }
	c := dcs.Cluster{Initialize: dcs.Initialized{Present: true, SystemID: sceneCluster}}
	c.Status = dcs.Status{Present: true, Optime: rapid.SampledFrom([]uint64{900, 1000, 1100, 3_000_000}).Draw(t, "optime")}
	c.Failover = dcs.Failover{Present: true, Version: "f1", Leader: pick(anyone, "from"), Candidate: pick(anyone, "to")}
	if rapid.Bool().Draw(t, "second timeline") {
		c.History = dcs.History{Present: true, Lines: []dcs.HistoryLine{{Timeline: 1, LSN: 950}}}
	}
	settings := DefaultSettings()
	settings.Failsafe, settings.CheckTimeline = rapid.Bool().Draw(t, "failsafe"), rapid.Bool().Draw(t, "check timeline")
	var views []view
	for _, name := range names {
		v := newScene().v
		v.Settings = settings
		v.Self.Name, v.Self.APIURL = name, "http://"+name+":8008/patroni"
		v.Self.Tags = dcs.Tags{"failover_priority": rapid.IntRange(1, 2).Draw(t, "priority")}
		if rapid.IntRange(0, 5).Draw(t, "nofailover") == 0 {
			v.Self.Tags = dcs.Tags{"nofailover": true}
		}
		c.Members = append(c.Members, dcs.Member{Name: name, APIURL: v.Self.APIURL, State: "running", Role: "replica", Tags: v.Self.Tags})
		if settings.Failsafe && rapid.IntRange(0, 3).Draw(t, "in the map") > 0 {
			if c.Failsafe.Members == nil {
				c.Failsafe.Members = map[string]string{}
			}
			c.Failsafe.Members[name] = v.Self.APIURL
		}
		v.Server = postgres.Status{Data: postgres.DataValid, SystemID: sceneCluster, State: postgres.StateRunning, Role: postgres.RoleReplica,
			Standby: true, PID: scenePID, Answers: true, Timeline: postgres.Timeline(rapid.IntRange(1, 3).Draw(t, "timeline")),
			Location: postgres.LSN(rapid.SampledFrom([]uint64{900, 1000, 1100}).Draw(t, "location"))}
		for line := range v.Server.Timeline - 1 {
			at := rapid.SampledFrom([]postgres.LSN{850, 950}).Draw(t, "switch")
			v.History = append(v.History, postgres.HistoryLine{Timeline: line + 1, Switch: at})
		}
		v.Memory.Vacant = v.Now.Add(-time.Duration(rapid.IntRange(100, 5000).Draw(t, "vacant")) * time.Millisecond)
		v.Memory.Round = v.Now.Add(-100 * time.Millisecond)
		v.Memory.Leader = pick(anyone, "led")
		views = append(views, v)
	}
	for i := range views {
		views[i].Store.Cluster = c
	}
	for i, v := range views {
		for j, other := range views {
			v.Seen[other.Self.Name] = v.Now
			if i != j {
				v.Peers[other.Self.Name] = peer{Asked: v.Memory.Round, Answered: v.Now, Status: answerOf(other)}
			}
		}
	}
	return views
}

// answerOf is what a member's view lets it tell the others.
func answerOf(v view) PeerStatus {
	return PeerStatus{Running: true, InRecovery: true, Timeline: uint32(v.Server.Timeline), Location: uint64(v.Server.Location),
		NoFailover: v.Self.Tags.NoFailover(), Priority: v.Self.Tags.FailoverPriority(), Unfit: offHistoryAt(v, v.Server)}
}
