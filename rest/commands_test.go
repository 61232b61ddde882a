package rest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

func TestRestart(t *testing.T) {
	const unmet = "restart conditions are not satisfied"
	n := newNode(t)
	pending := func(r *ha.Report) {
		r.Server.Pending = map[string]postgres.Change{"work_mem": {Old: "4MB", New: "8MB"}}
	}
	cloning := func(r *ha.Report) { r.Job = "clone" }
	for _, c := range []struct {
		report ha.Report
		body   string
		status int
		text   string
	}{
		{healthy(), "", 200, "restarted successfully"},
		{healthy(), "{}", 200, "restarted successfully"},
		{healthy(paused), "", 200, "restarted successfully"},
		{healthy(), `{"role": "replica"}`, 200, "restarted successfully"},
		{healthy(), `{"role": "primary"}`, 503, unmet},
		{healthy(asPrimary), `{"role": "primary"}`, 200, "restarted successfully"},
		{healthy(asPrimary), `{"role": "standby_leader"}`, 503, unmet},
		{healthy(), `{"role": "leader"}`, 400, "PostgreSQL role should be either primary, standby_leader, or replica"},
		{healthy(), `{"role": 5}`, 400, "PostgreSQL role should be either primary, standby_leader, or replica"},
		{healthy(), `{"postgres_version": "15.21"}`, 200, "restarted successfully"},
		{healthy(), `{"postgres_version": "15.20"}`, 503, unmet},
		{healthy(), `{"postgres_version": "9.5.2"}`, 503, unmet},
		{healthy(), `{"postgres_version": "15"}`, 400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15"},
		{healthy(), `{"postgres_version": "x.y"}`, 400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: x.y"},
		{healthy(), `{"restart_pending": false}`, 503, unmet},
		{healthy(pending), `{"restart_pending": true}`, 200, "restarted successfully"},
		{healthy(), `{"timeout": 5}`, 200, "restarted successfully"},
		{healthy(), `{"timeout": "1min"}`, 200, "restarted successfully"},
		{healthy(), `{"timeout": 0}`, 400, "Timeout should be a positive number of seconds"},
		{healthy(), `{"timeout": -1}`, 400, "Timeout should be a positive number of seconds"},
		{healthy(), `{"timeout": "soon"}`, 400, "Timeout should be a positive number of seconds"},
		{healthy(), `{"when": "now"}`, 400, "Unknown filter for the scheduled restart: when"},
		{healthy(paused), `{"schedule": "2099-01-01T00:00+00"}`, 500, "Can't schedule restart in the paused state"},
		{healthy(cloning), "", 503, "clone already in progress"},
		{healthy(cloning), `{"role": "primary"}`, 503, unmet},
	} {
		n.agent.set(func(r *ha.Report) { *r = c.report })
		n.expect(t, "POST", "/restart", c.body, c.status, c.text)
	}
	n.expect(t, "DELETE", "/restart", "", 404, "no restarts are scheduled")
}

func TestScheduledRestart(t *testing.T) {
	const unreadable = "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"
	n := newNode(t)
	for _, c := range []struct {
		report ha.Report
		body   string
		status int
		text   string
	}{
		{healthy(paused), `{"schedule": "2099-01-01T00:00+00"}`, 500, "Can't schedule restart in the paused state"},
		{healthy(paused), `{"schedule": "nonsense"}`, 500, "Can't schedule restart in the paused state"},
		{healthy(), `{"schedule": "nonsense"}`, 422, unreadable},
		{healthy(), `{"schedule": ""}`, 422, unreadable},
		{healthy(), `{"schedule": null}`, 422, unreadable},
		{healthy(), `{"schedule": 5}`, 422, unreadable},
		{healthy(), `{"schedule": "2099-01-01T00:00"}`, 400, "Timezone information is mandatory for the scheduled restart"},
		{healthy(), `{"schedule": "2001-01-01T00:00+00"}`, 422, "Cannot schedule restart in the past"},
		{healthy(), `{"schedule": "2099-01-01T00:00+00", "role": "leader"}`, 400, "PostgreSQL role should be either primary, standby_leader, or replica"},
		{healthy(), `{"schedule": "2099-01-01T00:00+00", "when": "now"}`, 400, "Unknown filter for the scheduled restart: when"},
		{healthy(), `{"schedule": "2099-01-01T00:00+00", "role": "primary", "postgres_version": "15.21", "restart_pending": true, "timeout": "1min"}`, 202, "Restart scheduled"},
		{healthy(), `{"schedule": "2099-01-01T00:00+00"}`, 409, "Another restart is already scheduled"},
		{healthy(), "", 200, "restarted successfully"},
	} {
		n.agent.set(func(r *ha.Report) { *r = c.report })
		n.expect(t, "POST", "/restart", c.body, c.status, c.text)
	}
	want := ha.ScheduledRestart{At: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Timeout: time.Minute,
		Filter: ha.RestartFilter{Role: "primary", Version: 150021, Pending: true}}
	if got := n.agent.scheduled; !got.At.Equal(want.At) || got.Timeout != want.Timeout || got.Filter != want.Filter {
		t.Errorf("%+v, want %+v", got, want)
	}
	n.expect(t, "DELETE", "/restart", "", 200, "scheduled restart deleted")
	n.expect(t, "DELETE", "/restart", "", 404, "no restarts are scheduled")
}

// The schedule is in the member's status, less what is there for other agents.
func TestScheduledRestartIsShown(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(func(r *ha.Report) {
		r.Member.ScheduledRestart = map[string]any{"schedule": "2099-01-01T00:00:00+00:00", "postmaster_start_time": "2026-01-01 00:00:00+00:00"}
	})
	if got := n.do(t, "GET", "/patroni", "").body; !strings.Contains(got, `"scheduled_restart": {"schedule": "2099-01-01T00:00:00+00:00"}`) {
		t.Error(got)
	}
}

func TestRestartThatFails(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	n.agent.restart = func(context.Context) error { return errors.New("no such file") }
	n.expect(t, "POST", "/restart", "", 503, "restart failed")
	n.agent.restart = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	n.expect(t, "POST", "/restart", `{"timeout": "50ms"}`, 503, "postgres is still starting")
}

// An answer that takes longer than a body may isn't cut off.
func TestLongRestart(t *testing.T) {
	const limit = 200 * time.Millisecond
	n := newNode(t, func(o *Options) { o.RequestTimeout = limit })
	n.agent.report = healthy()
	n.agent.restart = func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(3 * limit):
			return nil
		}
	}
	for _, body := range []string{"", `{"role": "replica"}`} {
		n.expect(t, "POST", "/restart", body, 200, "restarted successfully")
	}
}

func TestReinitialize(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	n.expect(t, "POST", "/reinitialize", "", 200, "reinitialize started")
	n.expect(t, "POST", "/reinitialize", `{"force": true, "from_leader": "on"}`, 200, "reinitialize started")
	n.expect(t, "POST", "/reinitialize", `{"force": 1, "from_leader": false}`, 200, "reinitialize started")
	n.expect(t, "POST", "/reinitialize", `{"force": "perhaps"}`, 200, "reinitialize started")
	if diff := cmp.Diff([]string{"no no", "yes yes", "yes no", "no no"}, n.agent.initialized); diff != "" {
		t.Error(diff)
	}
	n.agent.initErr = errors.New("I am the leader, can not reinitialize")
	n.expect(t, "POST", "/reinitialize", "{}", 503, "I am the leader, can not reinitialize")
	if got := n.do(t, "POST", "/reinitialize", "[]"); got.status != 400 {
		t.Errorf("%d", got.status)
	}
}

func TestReload(t *testing.T) {
	n := newNode(t)
	n.expect(t, "POST", "/reload", "", 202, "reload scheduled")
	if n.agent.reloads != 1 {
		t.Errorf("%d reloads", n.agent.reloads)
	}
}

func TestFailsafe(t *testing.T) {
	n := newNode(t)
	if got := n.do(t, "GET", "/failsafe", ""); got.status != 502 || !strings.Contains(got.body, "Error code: 502") {
		t.Errorf("%d %s", got.status, got.body)
	}
	n.agent.report = healthy(func(r *ha.Report) {
		r.Cluster.Failsafe.Members = map[string]string{"b": "http://b:8008/patroni", "a": "http://a:8008/patroni"}
	})
	n.expect(t, "GET", "/failsafe", "", 200, `{"a": "http://a:8008/patroni", "b": "http://b:8008/patroni"}`)
	got := n.do(t, "POST", "/failsafe", `{"name": "b", "conn_url": "x", "api_url": "y", "slots": null}`)
	if got.status != 200 || got.body != "Accepted" || got.header.Get("lsn") != "2000" {
		t.Errorf("%+v", got)
	}
	for _, body := range []string{`{}`, `{"name": 5}`, `[]`, `{"name": "b", "slots": {"x": -1}}`} {
		if got := n.do(t, "POST", "/failsafe", body); got.status != 400 {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	n.agent.pledgeErr = ha.ErrRunningAsLeader
	n.expect(t, "POST", "/failsafe", `{"name": "b"}`, 500, "Running as a leader")
	n.agent.pledgeErr = ha.ErrFailsafeOff
	if got := n.do(t, "POST", "/failsafe", `{"name": "b"}`); got.status != 502 {
		t.Errorf("%d", got.status)
	}
}

func TestDecisions(t *testing.T) {
	n := newNode(t)
	n.expect(t, "GET", "/decisions", "", 200, `{"name": "a", "scope": "demo", "decisions": []}`)
	n.agent.decided = []ha.Decision{{At: time.Unix(1700000000, 0).UTC(), Rule: "election/lag", Reason: "I lag", Actions: []string{"ask b"},
		Verdicts: []ha.Verdict{{Member: "b", Fit: true, Reason: "could lead"}}, Repeated: 2}}
	n.expect(t, "GET", "/decisions", "", 200, `{"name": "a", "scope": "demo", "decisions": [{"at": "2023-11-14T22:13:20Z", "rule": "election/lag", `+
		`"reason": "I lag", "actions": ["ask b"], "candidates": [{"member": "b", "fit": true, "reason": "could lead"}], "repeated": 2}]}`)
	n.expect(t, "GET", "/decisions?views", "", 200, `{"name": "a", "scope": "demo", "decisions": []}`)
	n.agent.viewed = []ha.Decision{{At: time.Unix(1700000000, 0).UTC(), Rule: "lead", Reason: "I lead", View: []byte(`{"Now":"1s"}`)}}
	n.expect(t, "GET", "/decisions?views", "", 200, `{"name": "a", "scope": "demo", "decisions": [{"at": "2023-11-14T22:13:20Z", "rule": "lead", `+
		`"reason": "I lead", "view": {"Now": "1s"}}]}`)
	n.agent.viewErr = errors.New("a kind without a text")
	if got := n.do(t, "GET", "/decisions?views", ""); got.status != 500 {
		t.Errorf("%d", got.status)
	}
}
