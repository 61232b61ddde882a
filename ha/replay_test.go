package ha

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// TestReplayDecidesTheSame holds the written form against random views: nothing
// that a decision depends on is lost on the way.
func TestReplayDecidesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		text, err := writeView(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := readView(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(v, back) {
			t.Fatalf("the view came back as another:\n%+v\n%+v\n%s", v, back, text)
		}
		if before, after := decide(v), decide(back); !reflect.DeepEqual(before, after) {
			t.Fatalf("decided otherwise:\n%+v\n%+v\n%s", before, after, text)
		}
	})
}

// TestNoFieldOfAViewIsLost fills every field there is, also those that are added
// later, and finds each again.
func TestNoFieldOfAViewIsLost(t *testing.T) {
	var v view
	fill(t, reflect.ValueOf(&v).Elem(), "view", new(int64))
	text, err := writeView(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := readView(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(v, back) {
		t.Errorf("the view came back as another:\n%+v\n%+v\n%s", v, back, text)
	}
}

// fill gives each value below v another one than zero, all of them different.
func fill(t *testing.T, v reflect.Value, path string, n *int64) {
	*n++
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Unix(1700000000+*n, *n).UTC()))
	case v.Type() == rawType, v.Type() == bytesType:
		v.SetBytes(fmt.Appendf(nil, `{"n": %d}`, *n))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if !v.Field(i).CanSet() {
				t.Fatalf("%s.%s can't be written down: export it", path, v.Type().Field(i).Name)
			}
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name, n)
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, path, n)
		fill(t, element, path+"[]", n)
		v.SetMapIndex(key, element)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), path+"[]", n)
		fill(t, v.Index(1), path+"[]", n)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path, n)
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"nothing": nil, "whole": int(*n), "float": float64(*n), "small": 0.25, "huge": 1e300, "kept": json.Number("7.0"),
			"list": []any{true, "x", []any{}, map[string]any{}}}))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("text <%d> \"é\"", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(*n << 20)
	case v.CanUint():
		v.SetUint(uint64(*n))
	default:
		t.Fatalf("%s: a %s has no text yet", path, v.Type())
	}
}

func TestWrittenView(t *testing.T) {
	s := newScene()
	s.v.Seen["b"] = s.v.Now.Add(-1500 * time.Millisecond)
	s.v.Term.Plan.Kill = s.v.Now
	s.v.Store.Cluster.Failsafe.Members = map[string]string{}
	text, err := writeView(s.v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"Now":"16m40s","Wall":"2026-01-01T12:00:00Z","Self":{"Name":"a"`, `"TTL":"30s"`, `"Seen":{"b":"-1.5s"}`, `"Kill":"0s"`,
		`"Failsafe":{"Members":{}}`, `"Control":{"State":"shut down in recovery"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	for broken, want := range map[string]string{
		`[]`: "read a view", `{}`: "Now is missing", `{"Now":"1s","Memory":{"Guess":1}}`: "Memory: this release knows no field Guess",
		`{"Now":"1s","Settings":{"TTL":30}}`: "Settings: TTL: 30 is no time.Duration", `{"Now":"1s","Seen":["b"]}`: "Seen: [b] is no map",
	} {
		if _, err := readView([]byte(broken)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

// TestNoSecretInAView: whatever somebody wrote into the store, a view doesn't
// give it away, and the decision stays what it was.
func TestNoSecretInAView(t *testing.T) {
	s := newScene()
	v := &s.v
	v.Self.Config = []byte(`{"ttl": 30, "standby_cluster": {"password": "hunter\"2"}}`)
	v.Store.Cluster.Config.Values = nil
	v.Settings.StandbyCluster = map[string]any{"user": "x", "password": "hunter2"}
	v.Settings.Slots = map[string]any{"a": map[string]any{"API_TOKEN": "hunter2"}}
	v.Store.Cluster.Members[0].Extra = map[string]json.RawMessage{"secret": json.RawMessage(`{"a": "hunter2"}`), "more": json.RawMessage(`{"db_password": "hunter2"}`)}
	v.Store.Cluster.Members = append(v.Store.Cluster.Members, dcs.Member{Name: "b", State: "running", Role: "primary",
		ConnURL: "postgres://rep:hunter2@10.0.0.2:5432/postgres?sslpassword=hunter2"})
	v.Store.Cluster.Leader = &dcs.Holder{Name: "b", Lineage: "l-b"}
	v.Server = postgres.Status{Data: postgres.DataValid, State: postgres.StateRunning, Role: postgres.RoleReplica, PID: scenePID, Answers: true, Standby: true,
		SystemID: sceneCluster, Timeline: 1, Location: 1000, Problem: `could not connect: "host=b password='hunter2' user=x" PGPASSWORD=hunter2`,
		Pending: map[string]postgres.Change{"primary_conninfo": {New: "password=hunter2"}}}
	text, err := writeView(*v)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter") || !strings.Contains(string(text), "postgres://rep:***@10.0.0.2:5432") {
		t.Errorf("%s", text)
	}
	then := forPeople(*v, decide(*v))
	then.View = text
	now, err := Replay(then)
	if err != nil || now.Member != "a" || now.Release != "1" || !reflect.DeepEqual(then, now.Decision) {
		t.Errorf("%v\n%+v\n%+v", err, then, now)
	}
}

// TestViewsOfAnAgent: what an agent remembers can be replayed, and repeating a
// decision doesn't make it another.
func TestViewsOfAnAgent(t *testing.T) {
	a := &Agent{}
	for i := range 3 * keptViews {
		s := newScene()
		s.v.Now = sceneNow.Add(time.Duration(i) * time.Second)
		s.v.Store.Err = fmt.Sprintf("try %d", i/2)
		s.v.Server.State, s.v.Server.Role, s.v.Server.PID = postgres.StateRunning, postgres.RoleReplica, scenePID
		a.reports.add(s.v, decide(s.v), a)
	}
	views, err := a.Views()
	if err != nil || len(views) != keptViews {
		t.Fatalf("%d views, %v", len(views), err)
	}
	for _, d := range views {
		again, err := Replay(d)
		if err != nil || !reflect.DeepEqual(again.Decision, d) {
			t.Errorf("%v\n%+v\n%+v", err, d, again.Decision)
		}
	}
	if len(a.Decisions()) != 3*keptViews/2 || a.Decisions()[0].View != nil {
		t.Errorf("%d decisions", len(a.Decisions()))
	}
	if _, err := Replay(Decision{Rule: "lead"}); err == nil {
		t.Error("replayed a decision without its view")
	}
}

func TestConceal(t *testing.T) {
	for text, want := range map[string]string{
		"no action. I am (a), a secondary":                    "no action. I am (a), a secondary",
		"http://10.0.0.1:8008/patroni":                        "http://10.0.0.1:8008/patroni",
		"postgres://u:p@ss@h:5432/db":                         "postgres://u:***@h:5432/db",
		`FATAL:  password authentication failed for user "u"`: `FATAL:  password authentication failed for user "u"`,
		"AWS_SECRET_ACCESS_KEY=x wal-g":                       "AWS_SECRET_ACCESS_KEY=*** wal-g",
		`{"a": {"my_password" : "x"}, "ttl": "30"}`:           `{"a": {"my_password" : "***"}, "ttl": "30"}`,
	} {
		if got := conceal(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
		if conceal(want) != want {
			t.Errorf("%s: concealed twice is %s", want, conceal(want))
		}
	}
}
