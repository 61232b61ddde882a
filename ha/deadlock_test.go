package ha

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// TestSomebodyRuns lets running standbys that know all of each other, or have asked in
// vain, judge themselves, each by its own view. If any may lead, at least one must run
// for it, at once unless somebody waits for another, and all of them when courtesy has
// ended: it must not leave the cluster without a leader.
func TestSomebodyRuns(t *testing.T) {
	handicapped := false
	rapid.Check(t, func(t *rapid.T) {
		views := drawElection(t)
		reached := drawReach(t, len(views))
		var able []string
		for _, v := range views {
			handicapped = handicapped || handicap(v) != ""
			if _, out := ownFitness(v); !out {
				able = append(able, v.Self.Name)
			}
		}
		for passed := time.Duration(0); passed <= handedOverWait; passed += time.Second {
			hear(views, reached)
			running, waits, verdicts := judge(views)
			switch {
			case len(able) == 0:
				return
			case passed == 0 && len(running) == 0 && !waits:
				t.Fatalf("nobody leads, nobody runs, and nobody waits (failover %+v):\n%s", views[0].Store.Cluster.Failover, verdicts)
			case passed == handedOverWait && len(running) < len(able):
				t.Fatalf("nobody leads after %v, of %v not all run (failover %+v):\n%s", passed, able, views[0].Store.Cluster.Failover, verdicts)
			}
			for i := range views {
				views[i].Now = views[i].Now.Add(time.Second)
			}
		}
	})
	if !handicapped {
		t.Error("everybody could always lead")
	}
}

// judge lets each member judge itself.
func judge(views []view) (running map[string]bool, waits bool, verdicts string) {
	running = map[string]bool{}
	for _, v := range views {
		verdict := candidate(v)
		waits = waits || verdict.Wait
		if verdict.Fit {
			running[v.Self.Name] = true
		}
		verdicts += fmt.Sprintf("%s at %d: %s\n", v.Self.Name, v.Server.Location, verdict.Reason)
	}
	return running, waits, verdicts
}

// drawReach is who reaches whom.
func drawReach(t *rapid.T, n int) [][]string {
	ways := []string{"", "", "", "", "silent", "connection refused"}
	reached := make([][]string, n)
	for i := range n {
		for range n {
			reached[i] = append(reached[i], rapid.SampledFrom(ways).Draw(t, "way"))
		}
	}
	return reached
}

// hear gives everybody the newest answers of those whom it reaches.
func hear(views []view, reached [][]string) {
	for i := range views {
		v := &views[i]
		v.Memory.Round = v.Now.Add(-100 * time.Millisecond)
		for j, other := range views {
			if i == j {
				continue
			}
			p := peer{Asked: v.Memory.Round, Answered: v.Now, Status: answerOf(other)}
			switch why := reached[i][j]; why {
			case "":
			case "silent":
				p = peer{Asked: v.Memory.Round, Silent: v.Now.Add(-peerSilence)}
			default:
				p.Err, p.Status = why, PeerStatus{}
			}
			v.Peers[other.Self.Name] = p
		}
	}
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
		v.Memory.Courtesy = time.Duration(rapid.IntRange(0, 2).Draw(t, "courtesy")) * time.Second
		v.Memory.Leader = pick(anyone, "led")
		drawHandicap(t, &v)
		views = append(views, v)
	}
	for i := range views {
		views[i].Store.Cluster = c
	}
	for _, v := range views {
		for _, other := range views {
			v.Seen[other.Self.Name] = v.Now
		}
	}
	return views
}

// drawHandicap draws what keeps a member from leading beside its WAL.
func drawHandicap(t *rapid.T, v *view) {
	rarely := func(name string) bool { return rapid.IntRange(0, 5).Draw(t, name) == 0 }
	v.Guard = guard{Off: rarely("no fence"), Connected: !rarely("guard silent"), Armed: rarely("armed"), Latched: rarely("latched")}
	if rarely("run directory full") {
		v.NotesErr = "no space left on device"
	}
	if rarely("no store") {
		v.Store.Err = "timeout"
	}
	if rarely("pledged") {
		v.Pledged = pledge{To: "x", Until: v.Now.Add(time.Minute)}
	}
}

// answerOf is what a member's view lets it tell the others.
func answerOf(v view) PeerStatus {
	r := Report{OffHistory: offHistoryAt(v, v.Server), Handicap: handicap(v)}
	if v.Pledged.binds(v.Now) {
		r.PledgedTo = v.Pledged.To
	}
	return PeerStatus{Running: true, InRecovery: true, Timeline: uint32(v.Server.Timeline), Location: uint64(v.Server.Location),
		NoFailover: v.Self.Tags.NoFailover(), Priority: v.Self.Tags.FailoverPriority(), Unfit: r.Unfit(), Passing: r.Passing()}
}
