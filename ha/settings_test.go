package ha

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

func TestParseSettingsDefaults(t *testing.T) {
	got, warnings, err := ParseSettings(nil, CommonFloors())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err %v, warnings %q", err, warnings)
	}
	if diff := cmp.Diff(DefaultSettings(), got); diff != "" {
		t.Error(diff)
	}
}

func TestParseSettings(t *testing.T) {
	const document = `{"ttl": "20", "loop_wait": "2s", "retry_timeout": 5, "maximum_lag_on_failover": "16MB",
		"maximum_lag_on_syncnode": -1, "max_timelines_history": 3, "check_timeline": "on", "master_start_timeout": "1min",
		"primary_stop_timeout": 10, "master_stop_timeout": 99, "primary_stall_timeout": 0, "failsafe_mode": true, "pause": "no",
		"synchronous_mode": "Quorum", "synchronous_mode_strict": 1, "synchronous_node_count": 2,
		"standby_cluster": {"host": "10.0.0.9", "port": 5432}, "slots": {"b": null}, "permanent_slots": {"a": {"type": "physical"}},
		"ignore_slots": [{"name": "x"}], "member_slots_ttl": "1h", "postgresql": {"use_slots": true}}`
	got, warnings, err := ParseSettings(decode(t, document), CommonFloors())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err %v, warnings %q", err, warnings)
	}
	want := Settings{
		TTL: 20 * time.Second, LoopWait: 2 * time.Second, RetryTimeout: 5 * time.Second,
		MaximumLagOnFailover: 16 << 20, MaximumLagOnSyncnode: -1, MaxTimelinesHistory: 3, CheckTimeline: true,
		PrimaryStartTimeout: time.Minute, PrimaryStopTimeout: 10 * time.Second, Failsafe: true,
		SynchronousMode: SynchronousQuorum, SynchronousModeStrict: true, SynchronousNodeCount: 2,
		StandbyCluster: map[string]any{"host": "10.0.0.9", "port": 5432.0},
		Slots:          map[string]any{"a": map[string]any{"type": "physical"}},
		IgnoreSlots:    []map[string]any{{"name": "x"}}, MemberSlotsTTL: time.Hour,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !got.Standby() {
		t.Error("a cluster with standby_cluster.host isn't a standby cluster")
	}
}

func TestTimeoutsAreMadeToFit(t *testing.T) {
	for _, test := range []struct {
		in                   string // ttl, loop_wait, retry_timeout
		floors               Floors
		ttl, loopWait, retry int // seconds
		warnings             []string
	}{
		{in: `[30, 10, 10]`, floors: CommonFloors(), ttl: 30, loopWait: 10, retry: 10},
		{in: `[20, 1, 3]`, floors: CommonFloors(), ttl: 20, loopWait: 1, retry: 3},
		{in: `[5, 1, 1]`, floors: ShortFloors(), ttl: 5, loopWait: 1, retry: 1},
		{in: `[5, 1, 1]`, ttl: 20, loopWait: 1, retry: 3, warnings: []string{
			"ttl: 5s is less than the least allowed; 20s is used",
			"retry_timeout: 1s is less than the least allowed; 3s is used",
		}},
		{in: `[20, 10, 10]`, floors: CommonFloors(), ttl: 20, loopWait: 1, retry: 9, warnings: []string{
			"retry_timeout: 10s is too long for ttl 20s; loop_wait 1s and retry_timeout 9s are used",
		}},
		{in: `[30, 20, 10]`, floors: CommonFloors(), ttl: 30, loopWait: 10, retry: 10, warnings: []string{
			"loop_wait: 20s is too long for ttl 30s and retry_timeout 10s; 10s is used",
		}},
		{in: `[30, 0, 10]`, floors: CommonFloors(), ttl: 30, loopWait: 1, retry: 10, warnings: []string{
			"loop_wait: 0s is less than the least allowed; 1s is used",
		}},
		{in: `["20.4s", 1, "3400ms"]`, floors: CommonFloors(), ttl: 20, loopWait: 1, retry: 3},
	} {
		var v []any
		if err := json.Unmarshal([]byte(test.in), &v); err != nil {
			t.Fatal(err)
		}
		s, warnings, err := ParseSettings(map[string]any{"ttl": v[0], "loop_wait": v[1], "retry_timeout": v[2]}, test.floors)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		got := []time.Duration{s.TTL, s.LoopWait, s.RetryTimeout}
		want := []time.Duration{time.Duration(test.ttl) * time.Second, time.Duration(test.loopWait) * time.Second, time.Duration(test.retry) * time.Second}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", test.in, diff)
		}
		if diff := cmp.Diff(test.warnings, warnings); diff != "" {
			t.Errorf("%s: warnings: %s", test.in, diff)
		}
		if s.LoopWait+2*s.RetryTimeout > s.TTL {
			t.Errorf("%s: %v, %v, %v don't fit together", test.in, s.TTL, s.LoopWait, s.RetryTimeout)
		}
		if s.PrimaryStallTimeout != s.TTL {
			t.Errorf("%s: primary_stall_timeout is %v, not the ttl in use", test.in, s.PrimaryStallTimeout)
		}
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	for document, want := range map[string]string{
		`{"ttl": "soon"}`:                     `ttl: "soon" is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d`,
		`{"loop_wait": -1}`:                   `loop_wait: -1 is less than 0`,
		`{"failsafe_mode": "perhaps"}`:        `failsafe_mode: "perhaps" is no switch: allowed are on, true, yes, 1 and off, false, no, 0`,
		`{"synchronous_mode": "any"}`:         `synchronous_mode: "any" is not allowed: on, off or quorum`,
		`{"synchronous_node_count": 0}`:       `synchronous_node_count: 0 is not allowed: at least 1`,
		`{"maximum_lag_on_failover": "1 XB"}`: `maximum_lag_on_failover: "1 XB" is no size: allowed is a number of bytes or one with a unit: B, kB, MB, GB, TB`,
		`{"master_start_timeout": []}`:        `master_start_timeout: a list is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d`,
		`{"standby_cluster": "10.0.0.1"}`:     `standby_cluster: "10.0.0.1" is not allowed: a map is`,
		`{"slots": [1]}`:                      `slots: a list is not allowed: a map is`,
		`{"ignore_slots": [{}, "x"]}`:         `ignore_slots[1]: "x" is not allowed: a map is`,
		`{"pause": [], "ttl": {}}`: `ttl: a map is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d` + "\n" +
			`pause: a list is no switch: allowed are on, true, yes, 1 and off, false, no, 0`,
	} {
		s, _, err := ParseSettings(decode(t, document), CommonFloors())
		if err == nil {
			t.Errorf("%s: no error", document)
		} else if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: %s", document, diff)
		}
		if diff := cmp.Diff(Settings{}, s); diff != "" {
			t.Errorf("%s: settings beside an error: %s", document, diff)
		}
	}
}

func TestFloorsThatDontFit(t *testing.T) {
	_, _, err := ParseSettings(map[string]any{"ttl": 5}, Floors{TTL: 5 * time.Second, RetryTimeout: 3 * time.Second})
	const want = "ttl: 5s is too short for a retry_timeout of at least 3s: at least 7s is needed"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestUnknownSettingsAreNamed(t *testing.T) {
	_, warnings, err := ParseSettings(map[string]any{"tll": 30, "primary_race_backoff": 1, "postgresql": 1}, CommonFloors())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(warnings, "\n"); got != "primary_race_backoff: has no effect: candidates don't wait for one another\ntll: is no setting of a cluster; it has no effect" {
		t.Error(got)
	}
}

func TestStandby(t *testing.T) {
	for document, want := range map[string]bool{
		`{}`:                        false,
		`{"standby_cluster": {}}`:   false,
		`{"standby_cluster": null}`: false,
		`{"standby_cluster": {"create_replica_methods": ["basebackup"]}}`: false,
		`{"standby_cluster": {"host": "", "port": 0}}`:                    false,
		`{"standby_cluster": {"port": 5432}}`:                             true,
		`{"standby_cluster": {"restore_command": "cp"}}`:                  true,
	} {
		s, _, err := ParseSettings(decode(t, document), CommonFloors())
		if err != nil || s.Standby() != want {
			t.Errorf("%s: %v, %v", document, s.Standby(), err)
		}
	}
}

func decode(t *testing.T, document string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(document), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// configured is a server that is only told its settings.
type configured struct {
	PostgreSQL
	settings postgres.Settings
}

func (c *configured) Configure(s postgres.Settings) error { c.settings = s; return nil }
func (c *configured) Settings() postgres.Settings         { return c.settings }
func (c *configured) CanRewind(context.Context) error     { return nil }

// What the store's configuration says of the server holds for the agent too.
func TestSwitchesComeFromTheDynamicConfiguration(t *testing.T) {
	server := &configured{}
	a := &Agent{
		cfg: Config{PostgreSQL: server, Reconfigure: func(map[string]any, Floors) (Settings, *postgres.Settings, error) {
			return DefaultSettings(), &postgres.Settings{
				UseRewind: true, UseSlots: true, RemoveOnDivergedTimelines: true, RemoveOnRewindFailure: true,
			}, nil
		}},
		settings: DefaultSettings(), log: slog.New(slog.DiscardHandler),
	}
	if s := a.self(t.Context(), view{}); s.UseSlots || s.CanRewind == "" {
		t.Fatalf("before: %+v", s)
	}
	a.reconfigure(dcs.Cluster{Config: dcs.Configuration{Version: "1", Values: map[string]any{}}})
	if s := a.self(t.Context(), view{}); !s.UseSlots || s.CanRewind != "" || !s.RemoveOnDivergence || !s.RemoveOnRewindFail {
		t.Errorf("after: %+v", s)
	}
}
