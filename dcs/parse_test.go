package dcs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, key Key, value string) Cluster {
	t.Helper()
	return ParseCluster(Snapshot{Documents: map[Key]Document{key: {Value: []byte(value), Version: "7"}}})
}

func ptr[T any](v T) *T { return &v }

// wantProblems compares by substrings, one for each line.
func wantProblems(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("problems are %q, want %d", got, len(want))
		return
	}
	for i, line := range got {
		if !strings.Contains(line, want[i]) {
			t.Errorf("problem %q lacks %q", line, want[i])
		}
	}
}

// roundTrip are values that come out of parser and encoder as they went in.
func TestRoundTrip(t *testing.T) {
	for key, values := range map[Key][]string{
		MemberKey("a"): {
			`{"conn_url":"postgres://127.0.0.1:15430/postgres","api_url":"http://127.0.0.1:18000/patroni","state":"running","role":"primary","version":"4.1.4","tags":{"clonefrom":true,"mytag":"foo"},"xlog_location":67108864,"timeline":1}`,
			`{"conn_url":"postgres://127.0.0.1:15431/postgres","api_url":"http://127.0.0.1:18001/patroni","state":"running","role":"replica","version":"4.1.4","xlog_location":67109848,"replay_lsn":67109848,"receive_lsn":67109848,"replication_state":"streaming","timeline":2,"scheduled_restart":{"postmaster_start_time":"2026-11-23 00:40:03.743183+00:00","schedule":"2026-11-23T01:40:05+00:00"}}`,
			`{"conn_url":"c","api_url":"a","state":"starting","role":"replica","version":"4.1.4","proxy_url":"p","checkpoint_after_promote":false,"tags":{"f":1.5,"n":3},"pending_restart":true,"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"200"}},"pause":true,"regent":"0.1.0","later":{"x":[1,null]},"site":"Z\u00fcrich \ud83d\udc18"}`,
		},
		StatusKey: {
			`{"optime":67108864,"slots":{"node_0":67108864,"node_1":67108864,"node_2":67108864},"retain_slots":["node_0","node_1","node_2"]}`,
			`{"optime":18446744073709551615,"current_site":"a"}`,
		},
		FailoverKey: {
			`{}`, `{"leader":"a","member":"b"}`, `{"member":"b"}`,
			`{"leader":"a","scheduled_at":"2026-11-23T01:40:07+00:00"}`,
			`{"leader":"a","scheduled_at":"2026-11-23T01:40:07.5+02:00","site":"x"}`,
		},
		SyncKey: {
			`{"leader":"node-1","quorum":0,"sync_standby":null}`,
			`{"leader":"node-1","quorum":1,"sync_standby":"a,b","cross_site_mode":"any"}`,
		},
		HistoryKey: {
			`[]`,
			`[[1,67109256,"no recovery target specified","2026-11-23T00:39:06.105825+00:00","node-1"]]`,
			`[[1,1,"a"],[2,2,"b","2026-11-23T00:39:06+00:00","n",{"new":1},2]]`,
		},
		FailsafeKey: {`{"node-0":"http://127.0.0.1:18000/patroni","node-1":"http://127.0.0.1:18001/patroni"}`, `{}`},
		ConfigKey:   {`{"loop_wait":2,"maximum_lag_on_failover":1048576,"postgresql":{"parameters":{"a":null,"b":1.25},"use_pg_rewind":true},"ttl":20}`},
	} {
		for _, value := range values {
			c := parse(t, key, value)
			wantProblems(t, c.Problems)
			if got := marshal(t, key, c); got != value {
				t.Errorf("%s:\n got %s\nwant %s", key, got, value)
			}
		}
	}
}

// marshal encodes the one document that the cluster was parsed from.
func marshal(t testing.TB, key Key, c Cluster) string {
	t.Helper()
	var m json.Marshaler
	switch key {
	case StatusKey:
		m = c.Status
	case FailoverKey:
		m = c.Failover
	case SyncKey:
		m = c.Sync
	case HistoryKey:
		m = c.History
	case FailsafeKey:
		m = c.Failsafe
	case ConfigKey:
		m = c.Config
	default:
		m = c.Members[0]
	}
	value, err := m.MarshalJSON()
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return string(value)
}

func TestMemberTolerance(t *testing.T) {
	key := MemberKey("a")
	for value, want := range map[string]struct {
		member   Member
		problems []string
	}{
		`{"role":"master","state":"running","xlog_location":"67108864","timeline":"2"}`:            {member: Member{Role: "primary", State: "running", Location: 67108864, Timeline: 2}},
		`{"xlog_location":1e3,"receive_lsn":1024.0}`:                                               {member: Member{State: "unknown", Location: 1000, ReceiveLSN: 1024}},
		`{"pending_restart":true}`:                                                                 {member: Member{State: "unknown", PendingRestart: map[string]PendingChange{}}},
		`{"pending_restart":false,"pending_restart_reason":{}}`:                                    {member: Member{State: "unknown"}},
		`{"pending_restart":"on","pending_restart_reason":{"p":{"old_value":1,"new_value":null}}}`: {member: Member{State: "unknown", PendingRestart: map[string]PendingChange{"p": {Old: "1"}}}},
		`postgres://u@h:1/db?application_name=http://h:8008/patroni`:                               {member: Member{State: "unknown", ConnURL: "postgres://u@h:1/db", APIURL: "http://h:8008/patroni"}},
		`{"checkpoint_after_promote":false}`:                                                       {member: Member{State: "unknown", CheckpointAfterPromote: ptr(false)}},
		`{"state":null,"tags":null,"timeline":null}`:                                               {member: Member{State: "unknown"}},

		``:                                   {member: Member{State: "unknown"}, problems: []string{"no JSON object"}},
		`null`:                               {member: Member{State: "unknown"}, problems: []string{"no JSON object"}},
		`[1]`:                                {member: Member{State: "unknown"}, problems: []string{"no JSON object"}},
		`{"state":["x"],"role":"replica"}`:   {member: Member{State: "unknown", Role: "replica"}, problems: []string{"members/a: field state"}},
		`{"xlog_location":-1}`:               {member: Member{State: "unknown"}, problems: []string{"field xlog_location"}},
		`{"timeline":99999999999}`:           {member: Member{State: "unknown"}, problems: []string{"timeline 99999999999"}},
		`{"tags":[1]}`:                       {member: Member{State: "unknown"}, problems: []string{"field tags"}},
		`postgres://h:port?application_name`: {member: Member{State: "unknown"}, problems: []string{"connection URL"}},
	} {
		c := parse(t, key, value)
		want.member.Name, want.member.Written = "a", "7"
		if diff := cmp.Diff(want.member, c.Members[0]); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
		wantProblems(t, c.Problems, want.problems...)
	}
}

func TestStatusTolerance(t *testing.T) {
	for value, want := range map[string]struct {
		status   Status
		problems []string
	}{
		`67108864`:   {status: Status{Optime: 67108864}},
		`"67108864"`: {status: Status{Optime: 67108864}},
		`{"optime":"5","slots":"{\"a\":\"7\"}","retain_slots":"[\"a\", \"b\"]"}`: {status: Status{Optime: 5, Slots: map[string]uint64{"a": 7}, RetainSlots: []string{"a", "b"}}},
		`{"optime":5,"slots":null,"retain_slots":""}`:                            {status: Status{Optime: 5}},

		`{"optime":"x","slots":{"a":1,"b":"?"}}`:     {status: Status{Slots: map[string]uint64{"a": 1}}, problems: []string{"field optime", "slot \"b\""}},
		`{"optime":5,"slots":"{","retain_slots":{}}`: {status: Status{Optime: 5}, problems: []string{"field retain_slots", "field slots"}},
		`nonsense`: {problems: []string{"neither"}},
		``:         {problems: []string{"neither"}},
	} {
		c := parse(t, StatusKey, value)
		want.status.Present, want.status.Version = true, "7"
		if diff := cmp.Diff(want.status, c.Status); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
		wantProblems(t, c.Problems, want.problems...)
	}
	if c := parse(t, OptimeKey, "123"); c.Status.Optime != 123 || c.Status.Present {
		t.Errorf("from optime/leader alone: %+v", c.Status)
	}
}

func TestFailoverTolerance(t *testing.T) {
	for value, want := range map[string]struct {
		failover Failover
		problems []string
	}{
		`a:b`:                         {failover: Failover{Leader: "a", Candidate: "b"}},
		` a : `:                       {failover: Failover{Leader: "a"}},
		`:b`:                          {failover: Failover{Candidate: "b"}},
		``:                            {},
		`null`:                        {},
		`{"leader":null,"member":""}`: {},
		`{"member":"b","scheduled_at":"2026-11-23 01:40:07 +0200"}`: {failover: Failover{Candidate: "b", ScheduledAt: time.Date(2026, 11, 22, 23, 40, 7, 0, time.UTC)}},

		`[1]`: {problems: []string{"counts as no request"}},
		`{"leader":"a","scheduled_at":"tomorrow"}`:            {problems: []string{"scheduled_at"}},
		`{"leader":"a","scheduled_at":"2026-11-23T01:40:07"}`: {problems: []string{"offset"}},
	} {
		c := parse(t, FailoverKey, value)
		want.failover.Present, want.failover.Version = true, "7"
		if diff := cmp.Diff(want.failover, c.Failover); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
		if c.Failover.Requested() != (want.failover.Leader+want.failover.Candidate != "") {
			t.Errorf("%s: Requested is %v", value, c.Failover.Requested())
		}
		wantProblems(t, c.Problems, want.problems...)
	}
}

func TestSyncTolerance(t *testing.T) {
	c := parse(t, SyncKey, `{"leader":"A","sync_standby":" b,, C ","quorum":"1"}`)
	if !c.Sync.LedBy("a") || !c.Sync.Has("B") || !c.Sync.Has("c") || c.Sync.Has("") || c.Sync.Quorum != 1 {
		t.Errorf("got %+v", c.Sync)
	}
	wantProblems(t, c.Problems)
	for _, value := range []string{`{"leader":null,"quorum":3,"sync_standby":"a"}`, `{}`, `{"sync_standby":"a"}`} {
		c := parse(t, SyncKey, value)
		if diff := cmp.Diff(Sync{Present: true, Version: "7"}, c.Sync); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
	}
	wantProblems(t, parse(t, SyncKey, `"x"`).Problems, "no JSON object")
}

func TestTimeline(t *testing.T) {
	for value, want := range map[string]struct {
		tl       uint32
		known    bool
		problems int
	}{
		`[]`:                            {1, true, 0},
		`[[1,5,"x"],[4,6,"y"]]`:         {5, true, 0},
		`[["3","0","x",null,null]]`:     {4, true, 0},
		`null`:                          {0, false, 1},
		`{}`:                            {0, false, 1},
		`[[1,5,"x"],[2]]`:               {0, false, 1},
		`[[4294967295,5,"x"]]`:          {0, false, 1},
		`[[1,"0/50","x"]]`:              {0, false, 1},
		`[[1,5,"x"],[2,6,"y"],["z",7]]`: {0, false, 1},
	} {
		c := parse(t, HistoryKey, value)
		if tl, known := c.Timeline(); tl != want.tl || known != want.known || len(c.Problems) != want.problems {
			t.Errorf("%s: timeline %d (known %v), problems %q", value, tl, known, c.Problems)
		}
		if !want.known && c.History.Version != "7" {
			t.Errorf("%s: the key is there, and its version is lost", value)
		}
	}
	if tl, known := (Cluster{}).Timeline(); tl != 0 || known {
		t.Errorf("without the key: %d, %v", tl, known)
	}
}

func TestFailsafeIsAllOrNothing(t *testing.T) {
	for _, value := range []string{``, `null`, `[]`, `{"a":1,"b":null}`, `{"a":""}`, `{"a":{}}`} {
		c := parse(t, FailsafeKey, value)
		if c.Failsafe.Members != nil || len(c.Problems) != 1 {
			t.Errorf("%s: %+v, problems %q", value, c.Failsafe, c.Problems)
		}
	}
	if c := parse(t, FailsafeKey, `{}`); c.Failsafe.Members == nil {
		t.Error("an empty map is read as none")
	}
}

func TestConfigurationIsNeverQuoted(t *testing.T) {
	for _, value := range []string{``, `secret`, `"secret"`, `["secret"]`, `null`, `{} {}`} {
		c := parse(t, ConfigKey, value)
		if c.Config.Values != nil || len(c.Problems) != 1 || strings.Contains(c.Problems[0], "secret") {
			t.Errorf("%s: %+v, problems %q", value, c.Config, c.Problems)
		}
	}
	c := parse(t, ConfigKey, `{"a":1,"b":1.5,"c":123456789012345678901}`)
	if c.Config.Values["a"] != 1 || c.Config.Values["b"] != 1.5 || c.Config.Values["c"] != json.Number("123456789012345678901") {
		t.Errorf("got %#v", c.Config.Values)
	}
}

func TestInitialize(t *testing.T) {
	for value, problems := range map[string]int{"": 0, "7711159760801012928": 0, "123": 1, "77111597608010129x8": 1, strings.Repeat("7", 1000): 1} {
		c := parse(t, InitializeKey, value)
		if !c.Initialize.Present || c.Initialize.SystemID != value || len(c.Problems) != problems {
			t.Errorf("%q: %+v, problems %q", value, c.Initialize, c.Problems)
		}
	}
	if (ParseCluster(Snapshot{})).Initialize.Present {
		t.Error("an absent key is present")
	}
}

func TestClusterLookups(t *testing.T) {
	c := ParseCluster(Snapshot{
		Leader:    &Holder{Name: "gone"},
		Documents: map[Key]Document{MemberKey("b"): {Value: []byte("{}")}, MemberKey("a/x"): {Value: []byte("{}")}, "unknown": {}, "members/": {}},
	})
	if len(c.Members) != 2 || c.Members[0].Name != "a/x" {
		t.Errorf("members are %+v", c.Members)
	}
	if m, ok := c.LeaderMember(); !ok || m.Name != "gone" || m.State != StateUnknown || c.LeaderName() != "gone" || c.Unlocked() {
		t.Errorf("the leader's entry is %+v", m)
	}
	if _, ok := c.Member("gone"); ok {
		t.Error("a leader without an entry has one")
	}
	if _, ok := (Cluster{}).LeaderMember(); ok || !(Cluster{}).Unlocked() || (Cluster{}).LeaderName() != "" {
		t.Error("an unlocked cluster has a leader")
	}
}
