package ha

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// tell changes the scene by one line of a script.
func (s *scene) tell(line string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	what, w := splitWords(line)
	w.now = s.v.Now
	verbs := map[string]func(words){
		"self": s.self, "settings": s.settings, "store": s.store, "leader": s.leader, "init": s.initialize,
		"member": s.member, "status": s.status, "failover": s.failover, "history": s.history, "failsafe": s.failsafe,
		"term": s.term, "guard": s.guard, "server": s.server, "own-history": s.ownHistory, "peer": s.peer,
		"job": s.job, "request": s.request, "scheduled": s.scheduled, "memory": s.memory, "pledged": s.pledged, "pledges": s.pledges, "config": s.config,
		"notes":         func(w words) { s.v.NotesErr = w.values["err"] },
		"gone":          s.gone,
		"view":          s.recorded,
		"leader-absent": func(words) { s.v.Store.Cluster.Leader = nil },
		"unsettled":     func(words) { s.v.Term.Unsettled = true },
	}
	verb, ok := verbs[what]
	if !ok {
		return fmt.Errorf("no such word: %s", what)
	}
	verb(w)
	return nil
}

func (s *scene) self(w words) {
	self := &s.v.Self
	self.Bootstrap = w.has("bootstrap")
	if self.Bootstrap {
		self.Config = []byte(`{"ttl":30}`)
	}
	self.UseSlots = w.has("slots")
	if w.has("rewind") {
		self.CanRewind = ""
	}
	self.RemoveOnDivergence, self.RemoveOnRewindFail = w.has("remove-on-divergence"), w.has("remove-on-rewind-failure")
	self.Tags = tags(w)
}

func tags(w words) dcs.Tags {
	t := dcs.Tags{}
	for _, name := range []string{"nofailover", "clonefrom", "nostream"} {
		if w.has(name) {
			t[name] = true
		}
	}
	for _, name := range []string{"replicatefrom", "failover_priority"} {
		if value, ok := w.values[name]; ok {
			t[name] = value
		}
	}
	return t
}

func (s *scene) settings(w words) {
	values := map[string]any{}
	for k, v := range w.values {
		values[k] = v
	}
	for _, word := range w.bare {
		values[word] = true
	}
	settings, _, err := ParseSettings(values, Floors{TTL: 5 * time.Second, RetryTimeout: time.Second})
	if err != nil {
		panic(err)
	}
	s.v.Settings = settings
}

func (s *scene) store(w words) {
	s.v.Store.Fresh, s.v.Store.Err = false, w.values["err"]
	s.v.Store.Received = !w.has("never-read")
}

func (s *scene) leader(w words) {
	name := w.bare[0]
	grant := w.values["grant"]
	s.v.Store.Cluster.Leader = &dcs.Holder{Name: name, Grant: grant, Lineage: "l-" + name}
}

func (s *scene) initialize(w words) {
	init := &s.v.Store.Cluster.Initialize
	switch {
	case w.has("absent"):
		*init = dcs.Initialized{}
	case w.has("empty"):
		init.SystemID = ""
	default:
		init.SystemID = w.bare[0]
	}
}

func (s *scene) config(w words) {
	if w.has("absent") {
		s.v.Store.Cluster.Config = dcs.Configuration{}
	}
}

// described is the member that a line tells of.
func described(w words) dcs.Member {
	m := dcs.Member{Name: w.bare[0], State: "running", Role: "replica", Tags: tags(w)}
	m.APIURL = "http://" + m.Name + ":8008/patroni"
	m.ConnURL = "postgres://" + m.Name + ":5432/postgres"
	if role, ok := w.values["role"]; ok {
		m.Role = role
	}
	if state, ok := w.values["state"]; ok {
		m.State = state
	}
	if w.has("no-url") {
		m.APIURL, m.ConnURL = "", ""
	}
	return m
}

func (s *scene) member(w words) {
	m := described(w)
	c := &s.v.Store.Cluster
	for i := range c.Members {
		if c.Members[i].Name == m.Name {
			c.Members[i] = m
			return
		}
	}
	c.Members = append(c.Members, m)
}

func (s *scene) status(w words) {
	if w.has("absent") {
		s.v.Store.Cluster.Status = dcs.Status{}
		s.v.Memory.Blank = s.v.Now // as long as the script doesn't say how long ago
		return
	}
	s.v.Store.Cluster.Status = dcs.Status{Optime: w.number("optime", 0), Version: "s1", Present: true}
}

func (s *scene) failover(w words) {
	f := dcs.Failover{Leader: w.values["leader"], Candidate: w.values["candidate"], Version: "f1", Present: true}
	if in, ok := w.values["in"]; ok {
		d, err := time.ParseDuration(in)
		if err != nil {
			panic(err)
		}
		f.ScheduledAt = s.v.Wall.Add(d)
	}
	s.v.Store.Cluster.Failover = f
	if !w.has("new") {
		since := s.v.Now.Add(-50 * time.Millisecond)
		if ago := w.ago("since"); !ago.IsZero() {
			since = ago
		}
		s.v.Memory.Requested = requested{Version: f.Version, Since: since}
	}
}

func (s *scene) history(w words) {
	h := dcs.History{Present: true, Version: "h1"}
	for _, b := range w.bare {
		tl, lsn := switchPoint(b)
		h.Lines = append(h.Lines, dcs.HistoryLine{Timeline: tl, LSN: lsn, Reason: "no recovery target specified", Timestamp: "2026-01-01T00:00:00+00:00", Leader: "z"})
	}
	s.v.Store.Cluster.History = h
}

func (s *scene) ownHistory(w words) {
	for _, b := range w.bare {
		tl, lsn := switchPoint(b)
		s.v.History = append(s.v.History, postgres.HistoryLine{Timeline: postgres.Timeline(tl), Switch: postgres.LSN(lsn), Reason: "no recovery target specified"})
	}
}

// switchPoint reads TIMELINE@POSITION.
func switchPoint(text string) (uint32, uint64) {
	left, right, _ := strings.Cut(text, "@")
	tl, errTL := strconv.ParseUint(left, 10, 32)
	lsn, errLSN := strconv.ParseUint(right, 10, 64)
	if errTL != nil || errLSN != nil {
		panic(text + " is no TIMELINE@POSITION")
	}
	return uint32(tl), lsn
}

func (s *scene) failsafe(w words) {
	s.v.Store.Cluster.Failsafe = dcs.Failsafe{Members: memberMap(w.bare), Version: "fs1"}
}

func memberMap(names []string) map[string]string {
	members := map[string]string{}
	for _, name := range names {
		members[name] = "http://" + name + ":8008/patroni"
	}
	return members
}

func (s *scene) term(w words) {
	t := &s.v.Term
	t.Lease = dcs.Lease{ID: "grant-1", Since: s.v.Now.Add(-time.Second), For: s.v.Settings.TTL}
	t.First = cmp.Or(w.values["first"], t.Lease.ID)
	if since := w.ago("renewed"); !since.IsZero() {
		t.Lease.Since = since
	}
	if text, ok := w.values["lease"]; ok {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		t.Lease.For = d
	}
	t.Plan = s.v.Settings.Timing().Plan(t.Lease)
	t.Armed = 7
	if w.has("unarmed") {
		t.Armed = 0
	}
	if w.has("primary") {
		t.Writable = t.Lease.ID
	}
	t.Unknown = w.has("unknown")
	if _, sent := w.values["sent-map"]; sent {
		t.Maps = []MapNote{{Members: memberMap(strings.Split(w.values["sent-map"], ",")), Prev: "fs1"}}
	}
	if w.has("sent-no-map") {
		t.Maps = []MapNote{{Prev: "fs1"}}
	}
	s.v.Guard = guard{Connected: true, Armed: t.Armed > 0, Number: 7}
	s.v.Store.Cluster.Leader = &dcs.Holder{Name: "a", Grant: t.Lease.ID, Lineage: "l-a"}
}

func (s *scene) guard(w words) {
	s.v.Guard.Armed = w.has("armed")
	s.v.Guard.Latched = w.has("latched")
	s.v.Guard.Unasked = w.has("unasked")
	if w.has("asks") {
		s.v.Guard.AnswerBy = s.v.Now.Add(8 * time.Second)
	}
	s.v.Guard.Off = w.has("off")
	s.v.Guard.Connected = !w.has("silent")
	s.v.Guard.Spent = w.values["spent"]
}

func (s *scene) server(w words) {
	p := &s.v.Server
	if data, ok := w.values["data"]; ok {
		p.Data = postgres.DataState(data)
		if p.Data != postgres.DataValid {
			p.SystemID, p.Control = "", nil
		}
	}
	if id, ok := w.values["id"]; ok {
		p.SystemID = id
	}
	p.Problem = w.values["problem"]
	for _, state := range []postgres.State{postgres.StateStopped, postgres.StateStarting, postgres.StateRunning, postgres.StateStopping, postgres.StateUnknown} {
		if w.has(string(state)) {
			p.State = state
		}
	}
	if p.State != postgres.StateStopped {
		p.PID = scenePID
		p.Refuses = w.values["refuses"]
		p.Answers = p.State != postgres.StateUnknown || p.Refuses != "" || w.has("answers")
		p.AnsweredAt = w.ago("answered")
	}
	switch {
	case w.has("primary"):
		p.Role, p.Standby = postgres.RolePrimary, false
		if s.v.Memory.History == 0 {
			s.v.Memory.History = uint32(w.number("tl", 1))
		}
	case w.has("replica"):
		p.Role, p.Standby = postgres.RoleReplica, true
	}
	if state, ok := w.values["control"]; ok {
		p.Control = &postgres.Control{State: state}
		p.Standby = w.has("standby.signal")
	}
	p.Timeline = postgres.Timeline(w.number("tl", 1))
	p.Location = postgres.LSN(w.number("lsn", 1000))
	if from, ok := w.values["streaming"]; ok {
		p.Receiver = &postgres.Receiver{Streaming: true, Timeline: p.Timeline, Host: from, Port: 5432}
	}
}

func (s *scene) peer(w words) {
	p := peer{Asked: s.v.Now.Add(-20 * time.Millisecond), Answered: s.v.Now.Add(-10 * time.Millisecond)}
	if asked := w.ago("asked"); !asked.IsZero() {
		p.Asked, p.Answered = asked, asked.Add(time.Millisecond)
	}
	p.Status = PeerStatus{Running: !w.has("stopped"), InRecovery: !w.has("primary"), Timeline: uint32(w.number("tl", 1)), Location: w.number("lsn", 1000),
		NoFailover: w.has("nofailover"), Priority: int(w.number("priority", 1)), Unfit: w.values["unfit"], Passing: w.has("passing"), NoPledges: w.has("no-pledges"), PledgedTo: w.values["pledged-to"]}
	p.Unpledged = w.has("no-pledges")
	p.Err = w.values["err"]
	if silent := w.ago("silent"); !silent.IsZero() {
		p.Silent, p.Answered, p.Asked, p.Flying = silent, 0, silent, true
	}
	s.v.Peers[w.bare[0]] = p
}

func (s *scene) job(w words) {
	s.v.Job = job{Kind: jobKind(w.bare[0]), Since: s.v.Now.Add(-time.Second), Done: w.has("done"), Err: w.values["err"], Unasked: w.has("unasked") || w.has("forbidden"), Forbidden: w.has("forbidden"), Target: w.values["with"]}
	if since := w.ago("since"); !since.IsZero() {
		s.v.Job.Since = since
	}
	if why, ok := w.values["diverged"]; ok {
		s.v.Job.Ancestry = postgres.Ancestry{Diverged: true, Reason: why}
	}
}

func (s *scene) request(w words) {
	s.v.Request = request{Restart: w.has("restart"), Reinitialize: w.has("reinitialize"), FromLeader: w.has("from-leader"), Shutdown: w.has("shutdown"), ShutdownAt: s.v.Now.Add(-time.Second)}
}

// scheduled is a restart in so long a time, of the server that ran when it was
// asked for.
func (s *scene) scheduled(w words) {
	in, err := time.ParseDuration(w.values["in"])
	if err != nil {
		panic(err)
	}
	s.v.Server.StartedAt, s.v.Server.ServerVersion = s.v.Wall.Add(-time.Hour), 150020
	s.v.Request.Scheduled = ScheduledRestart{At: s.v.Wall.Add(in), Server: s.v.Server.StartedAt,
		Filter: RestartFilter{Role: w.values["role"], Version: int(w.number("older", 0)), Pending: w.has("pending")}}
	if w.has("restarted") {
		s.v.Server.StartedAt = s.v.Wall.Add(-time.Minute)
	}
}

func (s *scene) pledged(w words) {
	if since := w.ago("assumed"); !since.IsZero() {
		s.v.Pledged = pledge{Assumed: since, AssumedFor: s.v.Settings.TTL}
		return
	}
	s.v.Pledged = pledge{To: w.bare[0], Until: s.v.Now.Add(5 * time.Second)}
}

func (s *scene) pledges(w words) {
	s.v.Pledges = pledges{Trying: w.has("trying"), Tried: w.ago("tried"), Err: w.values["err"]}
	if given := w.ago("given"); !given.IsZero() {
		s.v.Pledges.Plan = s.v.Settings.Timing().PlanFor(given, s.v.Settings.TTL)
	}
}

// memory sets what the last decision left; instants are told as the time since.
func (s *scene) memory(w words) {
	m := &s.v.Memory
	m.Fresh = w.has("fresh")
	for key, value := range w.values {
		switch key {
		case "checked":
			m.Checked = checked{Lineage: "l-" + s.v.Store.Cluster.LeaderName(), Result: ancestry(value), Reason: w.values["reason"], At: w.ago("looked"),
				Missing: postgres.LSN(w.number("missing", 0))}
		case "dry":
			m.Dry = w.ago("dry")
		case "reason", "to", "missing", "looked", "since", "of", "stopped":
		case "handover":
			m.Handover = handover{Reason: value, Term: "grant-1", To: w.values["to"], Since: s.v.Now.Add(-time.Second), Stopped: w.has("stopped"), Done: w.has("released")}
			if since := w.ago("since"); !since.IsZero() {
				m.Handover.Since = since
			}
			if m.Handover.Stopped {
				m.Handover.Ended = s.v.Now.Add(-100 * time.Millisecond)
			}
			if at := w.ago("stopped"); !at.IsZero() {
				m.Handover.Stopped, m.Handover.Ended = true, at
			}
			if first, ok := w.values["of"]; ok {
				m.Handover.Term = first
			}
		case "not-taken":
			m.NotTaken, m.Refusal = s.v.Store.Cluster.Failover.Version, value
		case "futile":
			m.Futile = w.ago(key)
		case "led-at":
			m.Led = led{Optime: w.number(key, 0), Timeline: 1}
		case "courtesy":
			d, err := time.ParseDuration(value)
			if err != nil {
				panic(err)
			}
			m.Courtesy = d
		case "unarmed":
			m.Unarmed = w.ago(key)
		case "led":
			m.Leader = value
		case "vacant":
			m.Vacant, m.Round = w.ago(key), w.ago(key)
		case "following":
			m.Following = value
		case "starts-failed":
			m.Starts = starts{Failed: int(w.number(key, 0)), Why: w.values["reason"]}
		case "starting":
			m.Starts.Since = w.ago(key)
		case "rewinds-failed":
			m.Rewinds = tries{Failed: int(w.number(key, 0)), Why: w.values["reason"]}
		case "promotes-failed":
			m.Promotes = tries{Failed: int(w.number(key, 0)), Next: s.v.Now.Add(time.Second), Why: w.values["reason"]}
		case "promoting":
			m.Promoting = w.ago(key)
		case "unwell":
			m.Unwell = unwell{Since: w.ago(key), PID: scenePID}
		case "blank":
			m.Blank = w.ago(key)
		case "first-touch":
			m.FirstTouch = w.ago(key)
		case "init-since":
			m.InitSince = w.ago(key)
		case "won":
			m.Winning = winning{Recheck: w.has("recheck")}
			if status, history, ok := strings.Cut(value, "/"); ok {
				m.Winning.Status, m.Winning.History = dcs.Version(status), dcs.Version(history)
			}
		case "published":
			m.History = uint32(w.number(key, 0))
		default:
			panic("no such memory: " + key)
		}
	}
	if w.has("bootstrap") {
		m.Bootstrap = true
	}
	if w.has("recovered") {
		m.Recovered = true
	}
	if w.has("untouched") {
		m.FirstTouch = 0
	}
}

// gone is a member whose entry has vanished a while ago.
func (s *scene) gone(w words) {
	m := described(w)
	s.v.Known = append(s.v.Known, m)
	if !w.has("never-seen") { // by this agent: it was in the note
		s.v.Seen[m.Name] = w.ago("seen")
	}
}

// recorded takes the view of a decision that regentctl explain --save has saved.
func (s *scene) recorded(w words) {
	text, err := os.ReadFile(filepath.Join("testdata", "views", w.bare[0]))
	if err != nil {
		panic(err)
	}
	var d Decision
	if err := json.Unmarshal(text, &d); err != nil {
		panic(err)
	}
	if s.v, err = readView(d.View); err != nil {
		panic(err)
	}
}
