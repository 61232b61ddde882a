package ha

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// TestLaws holds what must be true of every decision against random views.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { holdLaws(t, drawView(t)) })
}

// TestLawsOfElections holds them where chance comes seldom: nobody leads, and we
// are a running standby.
func TestLawsOfElections(t *testing.T) {
	won := 0
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		v.Store.Fresh, v.Store.Err, v.Store.Received = true, "", true
		v.Store.Cluster.Leader, v.Term = nil, term{}
		v.Store.Cluster.Initialize.Present, v.Store.Cluster.Initialize.SystemID = true, sceneCluster
		v.Memory.Bootstrap, v.Memory.Promoting = false, 0
		v.Job, v.Request = job{}, request{}
		v.Server = postgres.Status{Data: postgres.DataValid, SystemID: sceneCluster, State: postgres.StateRunning, Role: postgres.RoleReplica, Standby: true,
			PID: scenePID, Answers: true, Timeline: 1, Location: postgres.LSN(rapid.SampledFrom([]uint64{0, 1000, 1100}).Draw(t, "location"))}
		if holdLaws(t, v) {
			won++
		}
	})
	if won == 0 {
		t.Error("nobody ever ran for leader")
	}
}

// TestLawsOfSwitchovers holds them where a leader has stopped for another.
func TestLawsOfSwitchovers(t *testing.T) {
	ended := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := scene{drawView(t)}
		s.term(words{})
		v := s.v
		v.Store.Fresh, v.Store.Err, v.Store.Received = true, "", true
		v.Store.Cluster.Initialize.Present, v.Store.Cluster.Initialize.SystemID = true, sceneCluster
		v.Job, v.Request = job{}, request{}
		v.Memory.Bootstrap, v.Memory.Promoting = false, 0
		v.Term.Lease.Since = v.Now.Add(-time.Second)
		v.Term.Plan, v.Term.Writable, v.Term.Armed = v.Settings.Timing().Plan(v.Term.Lease), v.Term.Lease.ID, 7
		v.Server = postgres.Status{Data: postgres.DataValid, SystemID: sceneCluster, State: postgres.StateStopped, Timeline: 1,
			Location: postgres.LSN(rapid.SampledFrom([]uint64{1000, 1100}).Draw(t, "final")), Control: &postgres.Control{State: rapid.SampledFrom([]string{"shut down", "shutting down"}).Draw(t, "control")}}
		v.Memory.Starts = starts{}
		v.Memory.Handover = handover{Reason: "switchover", Term: v.Term.First, Since: v.Now.Add(-3 * time.Second), Stopped: true,
			Ended: v.Now.Add(-time.Duration(rapid.IntRange(0, 2500).Draw(t, "stopped")) * time.Millisecond)}
		for _, name := range slices.Sorted(maps.Keys(v.Peers)) { // most answers are new ones
			p := v.Peers[name]
			if rapid.IntRange(0, 3).Draw(t, "new answer") > 0 {
				p.Asked, p.Answered, p.Silent, p.Flying = v.Now.Add(-2*time.Millisecond), v.Now.Add(-time.Millisecond), 0, false
				v.Peers[name] = p
			}
		}
		if rapid.Bool().Draw(t, "d answers") {
			v.Store.Cluster.Members = append(v.Store.Cluster.Members, dcs.Member{Name: "d", APIURL: "http://d"})
			asked := v.Memory.Handover.Ended.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "d asked")) * time.Millisecond)
			v.Peers["d"] = peer{Asked: asked, Answered: asked.Add(time.Millisecond), Status: PeerStatus{Running: true, InRecovery: true, Timeline: 1,
				Location: rapid.SampledFrom([]uint64{900, 1000, 1100}).Draw(t, "d at"), Priority: 1}}
		}
		holdLaws(t, v)
		ended[decide(v).ID]++
	})
	for _, rule := range []string{"handover/ask", "handover/release", "handover/kept"} {
		if ended[rule] == 0 {
			t.Errorf("%s was never decided: %v", rule, ended)
		}
	}
}

// holdLaws decides v and returns whether the leader key is tried for.
func holdLaws(t *rapid.T, v view) (runs bool) {
	d := decide(v)
	if again := decide(v); !reflect.DeepEqual(d, again) {
		t.Fatalf("the same view gave two decisions:\n%+v\n%+v", d, again)
	}
	if d.ID == "" || d.Reason == "" {
		t.Fatalf("a decision without a reason: %+v", d)
	}
	if d.Next.IsZero() || d.Next.After(v.Now.Add(v.Settings.TTL)) {
		t.Fatalf("%s: looks again at %v", d.ID, d.Next.Sub(v.Now))
	}
	for _, act := range d.Actions {
		if law := broken(v, act); law != "" {
			t.Fatalf("%s: %s: %s\nterm %+v\nserver %s %s\nmemory %+v", d.ID, act, law, v.Term, v.Server.State, v.Server.Role, v.Memory)
		}
		if _, ok := act.(acquire); ok {
			runs = true
		}
	}
	if d.ID != "lead/spent" && dangles(v, d) {
		t.Fatalf("%s: a grant is kept that nothing rests on\nterm %+v\nserver %+v\nactions %v", d.ID, v.Term, v.Server, d.Actions)
	}
	if named := dcs.ValidSystemID(v.Store.Cluster.Initialize.SystemID); named && v.Store.readable() && remember(v).Bootstrap {
		t.Fatalf("%s: nobody can follow a member of a finished cluster", d.ID)
	}
	if v.Server.Role == postgres.RolePrimary && !v.Term.held() && !v.Pledges.bind(v.Now) && !stops(v, d) {
		t.Fatalf("%s: a primary without a lease isn't stopped\nserver %+v\nactions %v", d.ID, v.Server, d.Actions)
	}
	return runs
}

// dangles says whether a grant is neither armed nor given back in time.
func dangles(v view, d decision) bool {
	m := remember(v)
	v.Memory = m
	if !v.Store.readable() || v.Request.Shutdown || worthless(v) == "" {
		return false
	}
	return !gives(d) && !stops(v, d)
}

// stops says whether the server is being stopped, or will be once the job under
// way has been cancelled.
func stops(v view, d decision) bool {
	if v.Job.running() && (v.Job.Kind == jobStop || v.Job.Kind == jobHandOver) {
		return true
	}
	for _, act := range d.Actions {
		switch act := act.(type) {
		case cancelJob:
			return true
		case run:
			return act.Kind == jobStop
		}
	}
	return false
}

// broken names the law that an action breaks in a view.
func broken(v view, act action) string {
	switch act := act.(type) {
	case promote:
		switch {
		case !v.Term.held():
			return "no promotion without a lease"
		case v.Term.Armed == 0 && !v.Guard.Off:
			return "no promotion without the guard's word"
		case !act.NotAfter.Before(v.Term.Plan.Fast):
			return "a promotion ends before the guard stops the server"
		case v.Settings.Pause:
			return "no promotion in pause"
		}
	case startPrimary:
		switch {
		case !v.Term.held():
			return "no writable start without a lease"
		case !firstStart(v) && v.Term.Writable != v.Term.Lease.ID:
			return "no start in place under another lease than it was primary under"
		case v.Guard.Latched:
			return "no start in place after a fence"
		}
	case acquire:
		switch {
		case v.Pledged.binds(v.Now):
			return "no try for the key under a pledge"
		case v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled && mayCount(v):
			return "no try for the key while somebody may count on a pledge from before the boot"
		case !v.Store.readable():
			return "no try for the key on an unreadable store"
		case v.Self.Tags.NoFailover() && v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled:
			return "a member that is tagged nofailover doesn't run"
		case int64(v.Store.Cluster.Status.Optime)-int64(v.Server.Location) > v.Settings.MaximumLagOnFailover &&
			v.Server.Role == postgres.RoleReplica && v.Store.Cluster.Failover.Candidate != v.Self.Name && !v.Term.Unsettled:
			return "a member that lags too far doesn't run"
		case handicap(v) != "" && v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled:
			return "nobody runs whose guard doesn't answer, or who can't write its run directory"
		case remember(v).Checked.Result == ancestryDiverged && v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled:
			return "a member whose WAL has diverged doesn't run"
		case v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled && unheard(v):
			return "nobody runs before all of the failsafe map were asked who may have gone lately"
		case v.Server.Role == postgres.RoleReplica && !v.Term.Unsettled && early(v):
			return "over a store without a last leader's position nobody runs before all members with data have said how far they are, or a ttl has passed"
		}
	case askPledges:
		for _, members := range mapsInForce(v) {
			for name := range members {
				if name != v.Self.Name && act.Members[name] == "" {
					return "all members of every map that may be in force are asked to pledge"
				}
			}
		}
	case release:
		if lossless(v.Memory.Handover) && v.Memory.Handover.Term == v.Term.First && v.Store.readable() && !v.Request.Shutdown && v.Memory.Handover.Reason != "shutdown" &&
			v.Server.PID == 0 && mayStartInPlace(v) && v.Term.Lease.ID != v.Guard.Spent && !v.Term.Unknown && remember(v).Handover.Stopped && !drained(v) {
			return "a switchover's lease isn't let go to nobody who has all of the WAL"
		}
		if v.Server.PID != 0 && v.Server.Role != postgres.RoleReplica {
			return "a lease isn't let go from under a server that may take writes"
		}
	case disarm:
		if v.Guard.asks() && v.Server.PID != 0 && !v.Guard.Unasked {
			return "nobody speaks for a standby that may be on its way to a primary"
		}
		if v.Server.PID != 0 && v.Server.Role != postgres.RoleReplica {
			return "the guard isn't disarmed while a server may take writes"
		}
	case put:
		if act.Write.Key == dcs.InitializeKey && act.Write.Value != nil && act.Write.Prev == dcs.Any {
			return "the cluster's identifier isn't overwritten"
		}
		if act.Write.Key == dcs.InitializeKey && act.Write.Value == nil && v.Store.Cluster.Initialize.SystemID != "" {
			return "the cluster's identifier isn't removed"
		}
		if act.Write.Key == dcs.InitializeKey && len(act.Write.Value) > 0 && v.Memory.Bootstrap && !v.Job.ended(jobPostBootstrap) {
			return "a cluster isn't named before it is finished"
		}
	case run:
		switch {
		case v.Job.running():
			return "one job at a time"
		case act.Kind == jobBootstrap && (!v.Store.Cluster.Initialize.Present || v.Store.Cluster.Initialize.SystemID != ""):
			return "no bootstrap without the claim"
		case (act.Kind == jobBootstrap || act.Kind == jobClone) && v.Server.Data == postgres.DataValid:
			return "a good data directory isn't overwritten"
		case act.Kind == jobReinitialize && !v.Request.Reinitialize && !v.Self.RemoveOnDivergence && !v.Self.RemoveOnRewindFail:
			return "nothing is cloned anew unless it was asked for or configured"
		case act.Kind == jobHandOver && v.Memory.Handover.Term != v.Term.First:
			return "a handover ends with the term that it was begun in"
		case act.Kind == jobRewind && v.Server.PID != 0:
			return "no rewind under a running server"
		}
	}
	return ""
}

// drained says whether somebody has said since the server stopped that it has all of
// its WAL.
func drained(v view) bool {
	since := remember(v).Handover.Ended
	for _, p := range v.Peers {
		if !p.Asked.Before(since) && !p.awaited() && p.Status.Location >= uint64(v.Server.Location) {
			return v.Server.Control != nil && v.Server.Control.State == "shut down"
		}
	}
	return false
}

// mapsInForce are the failsafe maps that the store may have.
func mapsInForce(v view) []map[string]string {
	maps := []map[string]string{v.Store.Cluster.Failsafe.Members}
	for _, m := range v.Term.Maps {
		maps = append(maps, m.Members)
	}
	return maps
}

// mayCount says whether a member of the failsafe map may count on a pledge of ours of
// which nothing was noted.
func mayCount(v view) bool {
	if v.Pledged.Assumed.IsZero() || v.Now.Sub(v.Pledged.Assumed) >= v.Settings.TTL {
		return false
	}
	for name := range v.Store.Cluster.Failsafe.Members {
		if p := v.Peers[name]; name != v.Self.Name && !p.Unpledged {
			return true
		}
	}
	return false
}

// unheard says whether a member of the failsafe map may have vanished from the
// store less than a ttl ago and was not asked.
func unheard(v view) bool {
	for name := range v.Store.Cluster.Failsafe.Members {
		_, there := v.Store.Cluster.Member(name)
		seen, known := v.Seen[name]
		if !known {
			seen = v.Memory.FirstTouch
		}
		if !there && v.Now.Sub(seen) < v.Settings.TTL && v.Peers[name].Asked.IsZero() {
			return true
		}
	}
	return false
}

// early says whether the store has been seen without a last leader's position for
// less than a ttl, and a member with data hasn't said how far it has come.
func early(v view) bool {
	c := v.Store.Cluster
	if c.Status.Present || v.Now.Sub(remember(v).Blank) >= v.Settings.TTL || c.Failover.Candidate == v.Self.Name {
		return false
	}
	for _, m := range c.Members {
		p := v.Peers[m.Name]
		if m.Name != v.Self.Name && m.Role != "uninitialized" && (p.Asked.IsZero() || p.awaited() || !p.Status.Running) {
			return true
		}
	}
	return false
}

func drawView(t *rapid.T) view {
	s := newScene()
	v := &s.v
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	rarely := func(name string) bool { return rapid.IntRange(0, 7).Draw(t, name) == 0 }
	ago := func(name string) clock.Instant {
		return v.Now.Add(-time.Duration(rapid.IntRange(0, 40000).Draw(t, name)) * time.Millisecond)
	}
	lsn := func(name string) uint64 {
		return rapid.SampledFrom([]uint64{0, 900, 1000, 1100, 5_000_000}).Draw(t, name)
	}

	v.Settings.Failsafe = flag("failsafe")
	v.Self.Bootstrap, v.Self.UseSlots = flag("bootstrap"), flag("slots")
	v.Self.RemoveOnDivergence, v.Self.RemoveOnRewindFail = rarely("remove divergence"), rarely("remove rewind")
	if rarely("nofailover") {
		v.Self.Tags = dcs.Tags{"nofailover": true}
	}
	if rarely("store err") {
		v.Store.Fresh, v.Store.Err = false, "down"
		v.Store.Received = !rarely("never read")
	}
	c := &v.Store.Cluster
	switch rapid.IntRange(0, 5).Draw(t, "initialize") {
	case 0:
		c.Initialize = dcs.Initialized{}
	case 1:
		c.Initialize.SystemID = ""
	case 2:
		c.Initialize.SystemID = "7999999999999999999"
	}
	if flag("b was seen") {
		v.Seen["b"] = ago("seen b")
	}
	c.Status = dcs.Status{Present: true, Optime: lsn("optime"), Version: "s1"}
	if rarely("blank") {
		c.Status, v.Memory.Blank = dcs.Status{}, ago("blank since")
	}
	for _, name := range []string{"b", "c"} {
		if flag("member " + name) {
			c.Members = append(c.Members, dcs.Member{Name: name, APIURL: "http://" + name, ConnURL: "postgres://" + name + ":5432/postgres",
				State: rapid.SampledFrom([]string{"running", "stopped", "creating replica"}).Draw(t, "state"),
				Role:  rapid.SampledFrom([]string{"primary", "replica", "uninitialized"}).Draw(t, "role")})
		}
		if flag("peer " + name) {
			p := peer{Asked: ago("asked"), Unpledged: flag("no pledges"), Status: PeerStatus{Running: flag("runs"), InRecovery: !rarely("p primary"), Timeline: 1, Location: lsn("peer lsn"), Priority: 1}}
			if flag("answered") {
				p.Answered = p.Asked.Add(time.Millisecond)
			} else {
				p.Silent, p.Flying = p.Asked, true
			}
			v.Peers[name] = p
		}
	}
	if rarely("failover") {
		c.Failover = dcs.Failover{Leader: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "from"), Candidate: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "to"), Version: "f1", Present: true}
	}
	if flag("failsafe map") {
		c.Failsafe = dcs.Failsafe{Members: map[string]string{"a": "http://a", "b": "http://b"}, Version: "fs1"}
	}
	switch rapid.IntRange(0, 3).Draw(t, "leader") {
	case 0:
		c.Leader = &dcs.Holder{Name: "b", Grant: "g", Lineage: "l-b"}
	case 1:
		c.Leader = &dcs.Holder{Name: "a", Grant: "other", Lineage: "l-a"}
	case 2:
		s.term(words{})
		v.Term.Lease.Since = ago("renewed")
		v.Term.Plan = v.Settings.Timing().Plan(v.Term.Lease)
		v.Term.Unknown = rarely("unknown")
		if rarely("sent map") {
			v.Term.Maps = []MapNote{{Members: map[string]string{"a": "http://a", "c": "http://c"}, Prev: "fs1"}}
		}
		if flag("writable") {
			v.Term.Writable = v.Term.Lease.ID
		}
		if rarely("unarmed") {
			v.Term.Armed = 0
		}
		if rarely("spent") {
			v.Guard.Spent = v.Term.Lease.ID
		}
	}
	v.Guard.Latched, v.Guard.Armed, v.Guard.Connected, v.Guard.Off = rarely("latched"), flag("armed"), !rarely("guard silent"), rarely("no fence")
	if rarely("run directory full") {
		v.NotesErr = "no space left on device"
	}
	if !v.Guard.Armed && rarely("the guard asks") {
		v.Guard.AnswerBy, v.Guard.Unasked = v.Now.Add(time.Second), flag("nobody asked for a promotion")
	}
	drawServer(t, v)
	if rarely("job") {
		v.Job = job{Kind: rapid.SampledFrom([]jobKind{jobBootstrap, jobClone, jobCheck, jobRewind, jobStart, jobPromote, jobStop, jobHandOver, jobRestart}).Draw(t, "kind"),
			Since: ago("job since"), Done: flag("done")}
		if flag("job failed") {
			v.Job.Err, v.Job.Unasked = "failed", v.Job.Kind == jobPromote && flag("unasked")
		}
	}
	v.Request = request{Restart: rarely("restart"), Reinitialize: rarely("reinitialize"), Shutdown: rarely("shutdown"), ShutdownAt: ago("shutdown at")}
	if rarely("scheduled") {
		v.Request.Scheduled = ScheduledRestart{At: v.Wall}
	}
	if rarely("pledged") {
		v.Pledged = pledge{To: "b", Until: v.Now.Add(time.Second)}
	}
	if rarely("nothing was noted") {
		v.Pledged.Assumed, v.Pledged.AssumedFor = ago("since the first start"), v.Settings.TTL
	}
	if rarely("pledges") {
		v.Pledges.Plan = v.Settings.Timing().PlanFor(ago("pledges"), v.Settings.TTL)
	}
	m := &v.Memory
	m.Vacant = ago("vacant")
	if rarely("young") {
		m.FirstTouch = ago("first touch")
	}
	m.Round = m.Vacant
	m.Courtesy = time.Duration(rapid.IntRange(0, 5).Draw(t, "courtesy")) * time.Second
	if rarely("unarmed for long") {
		m.Unarmed = ago("unarmed")
	}
	m.Bootstrap = rarely("bootstrapping") && c.Initialize.SystemID != "7999999999999999999"
	if rarely("diverged") {
		m.Checked = checked{Lineage: "l-" + c.LeaderName(), Result: ancestryDiverged, Reason: "x"}
	}
	if rarely("handover") {
		m.Handover = handover{Reason: "switchover", Term: rapid.SampledFrom([]string{v.Term.First, "grant-0"}).Draw(t, "handover of"), Since: ago("handover"), Stopped: flag("handover stopped"), Ended: ago("handover ended"), Done: rarely("handed over")}
	}
	if rarely("promoting") {
		m.Promoting = ago("promoting since")
	}
	if rarely("failed starts") {
		m.Starts = starts{Failed: 3, Next: ago("next start").Add(20 * time.Second), Why: "x"}
	}
	return *v
}

func drawServer(t *rapid.T, v *view) {
	p := &v.Server
	p.Timeline, p.Location = 1, postgres.LSN(rapid.SampledFrom([]uint64{0, 900, 1000, 1100}).Draw(t, "lsn"))
	switch kind := rapid.SampledFrom([]string{"empty", "incomplete", "foreign", "stopped", "crashed", "starting", "unknown", "replica", "primary"}).Draw(t, "server"); kind {
	case "empty", "incomplete", "foreign":
		p.Data, p.SystemID, p.Control = postgres.DataState(kind), "", nil
	case "crashed":
		p.Control, p.Standby = &postgres.Control{State: "in production"}, false
	case "stopped":
	case "starting", "unknown":
		p.State, p.PID = postgres.State(kind), scenePID
	case "replica":
		p.State, p.Role, p.PID, p.Answers = postgres.StateRunning, postgres.RoleReplica, scenePID, true
	case "primary":
		p.State, p.Role, p.PID, p.Answers, p.Standby = postgres.StateRunning, postgres.RolePrimary, scenePID, true, false
		if rapid.IntRange(0, 7).Draw(t, "data can't be looked at") == 0 {
			p.Data, p.Problem = postgres.DataState(rapid.SampledFrom([]string{"unknown", "foreign"}).Draw(t, "data")), "input/output error"
		}
	default:
		panic(fmt.Sprintf("no such server: %s", kind))
	}
}
