package rest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

type values = map[string]any

func TestMerge(t *testing.T) {
	for name, c := range map[string]struct {
		old, patch, want values
		changed          bool
	}{
		"nothing":                      {values{"a": 1}, values{}, values{"a": 1}, false},
		"replaced":                     {values{"a": 1}, values{"a": 2}, values{"a": 2}, true},
		"the same":                     {values{"a": 1}, values{"a": 1}, values{"a": 1}, false},
		"added":                        {values{}, values{"a": 1}, values{"a": 1}, true},
		"removed":                      {values{"a": 1, "b": 2}, values{"a": nil}, values{"b": 2}, true},
		"removed what isn't there":     {values{"b": 2}, values{"a": nil}, values{"b": 2}, false},
		"deep":                         {values{"a": values{"b": 1, "c": 2}}, values{"a": values{"b": nil, "d": 3}}, values{"a": values{"c": 2, "d": 3}}, true},
		"a null in what is new":        {values{}, values{"slots": values{"x": nil, "y": values{"z": nil}}}, values{"slots": values{"y": values{}}}, true},
		"an object over a number":      {values{"a": 1}, values{"a": values{"b": 2, "c": nil}}, values{"a": values{"b": 2}}, true},
		"a number over an object":      {values{"a": values{"b": 2}}, values{"a": 1}, values{"a": 1}, true},
		"an empty object over another": {values{"a": values{"b": 2}}, values{"a": values{}}, values{"a": values{"b": 2}}, false},
	} {
		before := plain(c.old)
		got, changed := Merge(c.old, c.patch)
		if diff := cmp.Diff(c.want, got); diff != "" || changed != c.changed {
			t.Errorf("%s: changed %v, %s", name, changed, diff)
		}
		if diff := cmp.Diff(before, c.old); diff != "" {
			t.Errorf("%s: the old values were changed: %s", name, diff)
		}
	}
}

func TestPatchConfig(t *testing.T) {
	p := newParty(t, values{"ttl": 30, "postgresql": values{"use_slots": true}}, members("a"))
	n := p.nodes["a"]
	n.expect(t, "GET", "/config", "", 200, `{"postgresql": {"use_slots": true}, "ttl": 30}`)
	n.expect(t, "PATCH", "/config", `{"ttl": 20, "postgresql": {"parameters": {"work_mem": "8MB", "gone": null}}}`, 200,
		`{"postgresql": {"parameters": {"work_mem": "8MB"}, "use_slots": true}, "ttl": 20}`)
	if n.agent.wakes != 1 {
		t.Errorf("woken %d times", n.agent.wakes)
	}
	version := p.read(t).Config.Version
	n.expect(t, "PATCH", "/config", `{"ttl": 20, "pause": null}`, 200, `{"postgresql": {"parameters": {"work_mem": "8MB"}, "use_slots": true}, "ttl": 20}`)
	if got := p.read(t).Config.Version; got != version {
		t.Errorf("what changed nothing was written")
	}
	n.expect(t, "PATCH", "/config", `{"ttl": "soon"}`, 400, `ttl: "soon" is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d`)
	if got := p.read(t).Config.Version; got != version {
		t.Errorf("what can't be used was written")
	}
}

// Who repairs one value isn't kept from it by another that was wrong before.
func TestPatchConfigBesideAMistake(t *testing.T) {
	p := newParty(t, values{"ttl": "soon", "loop_wait": "often"}, members("a"))
	p.nodes["a"].expect(t, "PATCH", "/config", `{"ttl": 30}`, 200, `{"loop_wait": "often", "ttl": 30}`)
	got := p.nodes["a"].do(t, "PATCH", "/config", `{"retry_timeout": "x"}`)
	if got.status != 400 || !strings.HasPrefix(got.body, "retry_timeout: ") || strings.Contains(got.body, "\n") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestPutConfig(t *testing.T) {
	p := newParty(t, values{"ttl": 30}, members("a"))
	n := p.nodes["a"]
	n.expect(t, "PUT", "/config", `{"loop_wait": 5, "x": [1, 2.5, {"y": null}], "big": 12345678901234567890}`, 200,
		`{"big": 12345678901234567890, "loop_wait": 5, "x": [1, 2.5, {"y": null}]}`)
	if diff := cmp.Diff(values{"loop_wait": 5, "x": []any{1, 2.5, values{"y": nil}}}, omit(p.read(t).Config.Values, "big")); diff != "" {
		t.Error(diff)
	}
}

func omit(v values, name string) values {
	delete(v, name)
	return v
}

func TestConfigThatIsMissing(t *testing.T) {
	n := newNode(t)
	if got := n.do(t, "GET", "/config", ""); got.status != 502 {
		t.Errorf("%d", got.status)
	}
	if got := n.do(t, "PATCH", "/config", `{"ttl": 30}`); got.status != 503 {
		t.Errorf("%d", got.status)
	}
}

func TestHistory(t *testing.T) {
	p := newParty(t, nil, members("a"))
	n := p.nodes["a"]
	n.agent.set(func(r *ha.Report) { r.Known = false })
	n.expect(t, "GET", "/history", "", 200, `[]`)
	p.write(t, dcs.HistoryKey, `[[1,83886080,"no recovery target specified","2026-11-23T01:00:00+00:00","b"],[2,5,"x"]]`)
	want := `[[1, 83886080, "no recovery target specified", "2026-11-23T01:00:00+00:00", "b"], [2, 5, "x"]]`
	n.expect(t, "GET", "/history", "", 200, want)
	n.agent.report = healthy(func(r *ha.Report) { r.Cluster = p.read(t) })
	_ = n.agent.client.Close()
	n.expect(t, "GET", "/history", "", 200, want)
}

func TestCluster(t *testing.T) {
	p := newParty(t, values{"synchronous_mode": true, "pause": true}, map[string]dcs.Tags{"b": {"clonefrom": true}, "a": nil, "c": nil})
	p.sync(t, "b")
	p.write(t, dcs.StatusKey, `{"optime":2100}`)
	if err := p.nodes["c"].agent.client.Touch(within(t, time.Minute), dcs.Member{Name: "c", State: "stopped", Role: "replica", APIURL: "http://c:8008/patroni"}); err != nil {
		t.Fatal(err)
	}
	host := `"host": "127.0.0.1", "port": 5432, "timeline": 4`
	p.nodes["b"].expect(t, "GET", "/cluster", "", 200, `{"members": [`+
		`{"name": "a", "role": "leader", "state": "running", "api_url": "`+p.nodes["a"].url+`/patroni", `+host+`}, `+
		`{"name": "b", "role": "sync_standby", "state": "streaming", "api_url": "`+p.nodes["b"].url+`/patroni", `+host+`, "tags": {"clonefrom": true}, `+
		`"receive_lag": 100, "receive_lsn": "0/7D0", "replay_lag": 200, "replay_lsn": "0/76C", "lag": 200, "lsn": "0/76C"}, `+
		`{"name": "c", "role": "replica", "state": "stopped", "api_url": "http://c:8008/patroni", `+
		`"receive_lag": "unknown", "receive_lsn": "unknown", "replay_lag": "unknown", "replay_lsn": "unknown", "lag": "unknown", "lsn": "unknown"}], `+
		`"pause": true, "scope": "demo"}`)
}

func TestOverviewOfOldMembers(t *testing.T) {
	o := NewOverview("demo", dcs.Cluster{
		Leader: &dcs.Holder{Name: "a"}, Status: dcs.Status{Optime: 100},
		Config: dcs.Configuration{Values: values{"standby_cluster": values{"host": "elsewhere"}}},
		Members: []dcs.Member{
			{Name: "a", ConnURL: "postgres://[::1]/postgres"},
			{Name: "b", Location: 60, ReplicationState: "streaming", State: "running"},
			{Name: "c", Location: 70, State: "running"},
			{Name: "d", Location: 170, State: "running"},
		},
	})
	at := func(lsn, lag uint64) Position { return Position{LSN: postgres.LSN(lsn), Lag: lag} }
	for i, want := range []MemberOverview{
		{Role: "standby_leader", Host: "::1", Port: 5432},
		{Role: "replica", Receive: at(60, 40), Last: at(60, 40)},
		{Role: "replica", Replay: at(70, 30), Last: at(70, 30)},
		{Role: "replica", Replay: at(170, 0), Last: at(170, 0)},
	} {
		got := o.Members[i]
		got.Member = dcs.Member{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", o.Members[i].Name, diff)
		}
	}
	if o.Members[1].State != "streaming" || o.Members[2].State != "running" || o.Members[0].Address() != "[::1]:5432" || o.Members[1].Address() != "" {
		t.Errorf("%+v", o.Members)
	}
}
