package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/internal/testenv"
	"github.com/regent-ha/regent/postgres"
)

// The text is compared byte by byte: its order and its blanks are those that
// people's scripts have seen for years.
func TestStatusText(t *testing.T) {
	n := newNode(t)
	for name, row := range map[string]struct {
		report ha.Report
		want   string
	}{
		"replica": {healthy(synchronous(ha.SynchronousOn), paused, func(r *ha.Report) {
			r.Server.ReplayedAt = time.Unix(1700000001, 5000)
			r.Member.Tags = dcs.Tags{"clonefrom": true, "zone": "Köln 😀"}
			r.Member.PendingRestart = map[string]dcs.PendingChange{"max_connections": {Old: "100", New: "200"}}
			r.Member.Problem = "diverged: at 0/5000148"
		}), `{"state": "running", "postmaster_start_time": "2023-11-14 21:56:40.887218+00:00", "role": "replica", "server_version": 150020, ` +
			`"xlog": {"received_location": 2000, "replayed_location": 1900, "replayed_timestamp": "2023-11-14 22:13:21.000005+00:00", "paused": false}, ` +
			`"sync_standby": true, "timeline": 4, "replication_state": "streaming", "pause": true, "dcs_last_seen": 1700000000, ` +
			`"tags": {"clonefrom": true, "zone": "K\u00f6ln \ud83d\ude00"}, "database_system_identifier": "7300000000000000001", ` +
			`"pending_restart": true, "pending_restart_reason": {"max_connections": {"old_value": "100", "new_value": "200"}}, ` +
			`"patroni": {"version": "4.1.4", "scope": "demo", "name": "a"}, "regent": {"version": "0.1.0", "unfit": "diverged: at 0/5000148"}}`},
		"primary": {healthy(asPrimary, func(r *ha.Report) {
			r.Server.Replication = []postgres.Walsender{
				{User: "replicator", Application: "b", Client: "10.0.0.2", State: "streaming", SyncState: "async"},
				{User: "replicator", Application: "c", State: "catchup", SyncState: "sync", SyncPriority: 1},
			}
		}), `{"state": "running", "postmaster_start_time": "2023-11-14 21:56:40.887218+00:00", "role": "primary", "server_version": 150020, ` +
			`"xlog": {"location": 2000}, "timeline": 4, "replication": [` +
			`{"usename": "replicator", "application_name": "b", "client_addr": "10.0.0.2", "state": "streaming", "sync_state": "async", "sync_priority": 0}, ` +
			`{"usename": "replicator", "application_name": "c", "client_addr": null, "state": "catchup", "sync_state": "sync", "sync_priority": 1}], ` +
			`"dcs_last_seen": 1700000000, "database_system_identifier": "7300000000000000001", ` +
			`"patroni": {"version": "4.1.4", "scope": "demo", "name": "a"}, "regent": {"version": "0.1.0"}}`},
		"replica under a pledge that has ended": {healthy(func(r *ha.Report) { r.PledgedUntil = noon; r.Server.Role = postgres.RoleNone }), withoutServer(false)},
		"replica under a pledge":                {healthy(func(r *ha.Report) { r.PledgedUntil = noon.Add(1); r.Server.Role = postgres.RoleNone }), withoutServer(true)},
		"stopped": {healthy(state("stopped", postgres.StateStopped), withoutView, func(r *ha.Report) { r.LastSeen = time.Time{} }),
			`{"state": "stopped", "role": "replica", "cluster_unlocked": true, "dcs_last_seen": 0, "database_system_identifier": "7300000000000000001", ` +
				`"patroni": {"version": "4.1.4", "scope": "demo", "name": "a"}, "regent": {"version": "0.1.0"}}`},
	} {
		n.agent.set(func(r *ha.Report) { *r = row.report })
		got := n.do(t, "GET", "/patroni", "")
		if got.status != 200 || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, got.status, got.header.Get("Content-Type"))
		}
		if diff := cmp.Diff(row.want, got.body); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if check := n.do(t, "GET", "/health", ""); check.body != got.body {
			t.Errorf("%s: /health has another body: %s", name, check.body)
		}
	}
}

// withoutServer is the status of a replica whose server said nothing.
func withoutServer(failsafe bool) string {
	active := ""
	if failsafe {
		active = `"failsafe_mode_is_active": true, `
	}
	return `{"state": "running", "role": "replica", ` + active + `"dcs_last_seen": 1700000000, "database_system_identifier": "7300000000000000001", ` +
		`"patroni": {"version": "4.1.4", "scope": "demo", "name": "a"}, "regent": {"version": "0.1.0"}}`
}

// Who asks for a status gets one that isn't older than the request, and many who
// ask at once cost the server no more than two questions.
func TestRefreshIsShared(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	var mu sync.Mutex
	asked := 0
	gate := make(chan struct{})
	n.agent.refresh = func(_ context.Context, r ha.Report) ha.Report {
		mu.Lock()
		asked++
		r.Server.Received = postgres.LSN(asked)
		mu.Unlock()
		<-gate
		return r
	}
	first := make(chan response, 1)
	go func() { first <- n.do(t, "GET", "/patroni", "") }()
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return asked == 1 })
	const crowd = 20
	others := make(chan response, crowd)
	for range crowd {
		go func() { others <- n.do(t, "GET", "/patroni", "") }()
	}
	eventually(t, func() bool {
		n.server.fresh.mu.Lock()
		defer n.server.fresh.mu.Unlock()
		return n.server.fresh.next != nil
	})
	gate <- struct{}{}
	close(gate)
	if got := (<-first).body; !strings.Contains(got, `"received_location": 1,`) {
		t.Errorf("the first got %s", got)
	}
	for range crowd {
		if got := (<-others).body; strings.Contains(got, `"received_location": 1,`) {
			t.Errorf("a later one got what was asked for before it came")
		}
	}
	if asked >= crowd {
		t.Errorf("%d questions for %d requests", asked, crowd+1)
	}
}

// A server that doesn't answer delays nobody for longer than the bound, and the
// status then has no positions: peers must not count on them.
func TestRefreshIsBounded(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	n.agent.refresh = func(ctx context.Context, r ha.Report) ha.Report {
		<-ctx.Done()
		r.Server = postgres.Status{State: postgres.StateUnknown}
		return r
	}
	got := n.do(t, "GET", "/patroni", "")
	if got.status != http.StatusOK || strings.Contains(got.body, "xlog") || !strings.Contains(got.body, `"state": "unknown"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := n.do(t, "GET", "/replica", ""); got.status != http.StatusOK {
		t.Errorf("a health check asked the server: %d", got.status)
	}
}

func eventually(t *testing.T, check func() bool) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, "what the test is about", func() error {
		if check() {
			return nil
		}
		return errors.New("not yet")
	})
}
