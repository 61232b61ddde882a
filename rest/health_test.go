package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// paths are the columns of the truth table.
var paths = strings.Fields("/primary /leader /standby-leader /replica /read-only /sync /async /quorum /read-only-sync /read-only-quorum /health /liveness /readiness")

// aliases are other paths of the same check.
var aliases = map[string][]string{
	"/primary":          {"/", "/read-write", "/master", "/primary/", "/x/primary"},
	"/leader":           {"/leader-or-so"},
	"/standby-leader":   {"/standby_leader"},
	"/sync":             {"/synchronous"},
	"/async":            {"/asynchronous"},
	"/read-only-sync":   {"/read-only-synchronous"},
	"/read-only-quorum": {},
}

// situations are its rows: 1 is 200, 0 is 503.
var situations = []struct {
	name   string
	report ha.Report
	want   string
}{
	{"primary with the lease", healthy(asPrimary), "1 1 0 0 1 0 0 0 1 1 1 1 1"},
	{"primary whose lease ended", healthy(asPrimary, withoutLease), "0 0 0 0 0 0 0 0 0 0 1 1 0"},
	{"primary whose lease ended, store lost", healthy(asPrimary, withoutLease, withoutView), "0 0 0 0 0 0 0 0 0 0 1 1 0"},
	{"primary in failsafe", healthy(asPrimary, withoutView, func(r *ha.Report) { r.Failsafe = true }), "1 1 0 0 1 0 0 0 0 0 1 1 1"},
	{"primary, paused, store lost", healthy(asPrimary, withoutLease, withoutView, paused), "1 1 0 0 1 0 0 0 0 0 1 1 0"},
	{"leader that still is a replica", healthy(asPrimary, func(r *ha.Report) { r.Server.Role = postgres.RoleReplica }), "1 1 0 1 1 0 1 0 1 1 1 1 1"},
	{"replica", healthy(), "0 0 0 1 1 0 1 0 0 0 1 1 1"},
	{"replica, store lost", healthy(withoutView), "0 0 0 1 1 0 0 0 0 0 1 1 1"},
	{"replica, view older than ttl", healthy(func(r *ha.Report) { r.ReadAt = noon.Add(-31 * time.Second) }), "0 0 0 1 1 0 0 0 0 0 1 1 1"},
	{"replica, paused", healthy(paused), "0 0 0 1 1 0 1 0 0 0 1 1 1"},
	{"replica, paused, store lost", healthy(paused, withoutView), "0 0 0 1 1 0 0 0 0 0 1 1 1"},
	{"synchronous standby", healthy(synchronous(ha.SynchronousOn)), "0 0 0 1 1 1 0 0 1 0 1 1 1"},
	{"standby of the quorum", healthy(synchronous(ha.SynchronousQuorum)), "0 0 0 1 1 0 0 1 0 1 1 1 1"},
	{"listed, but not in synchronous mode", healthy(synchronous(ha.SynchronousOff)), "0 0 0 1 1 0 1 0 0 0 1 1 1"},
	{"synchronous standby, noloadbalance", healthy(synchronous(ha.SynchronousOn), noLoadBalance), "0 0 0 0 0 0 0 0 0 0 1 1 1"},
	{"replica, noloadbalance", healthy(noLoadBalance), "0 0 0 0 0 0 0 0 0 0 1 1 1"},
	{"replica that doesn't stream", healthy(func(r *ha.Report) { r.Server.Receiver = nil }), "0 0 0 1 1 0 1 0 0 0 1 1 0"},
	{"replica that starts", healthy(state("starting", postgres.StateStarting)), "0 0 0 0 0 0 0 0 0 0 0 1 0"},
	{"replica that is stopped", healthy(state("stopped", postgres.StateStopped)), "0 0 0 0 0 0 0 0 0 0 0 1 0"},
	{"replica that is made", healthy(state("creating replica", postgres.StateStopped)), "0 0 0 0 0 0 0 0 0 0 0 1 0"},
	{"replica that doesn't answer", healthy(state("running", postgres.StateUnknown)), "0 0 0 0 0 0 0 0 0 0 0 1 0"},
	{"replica whose WAL diverged", healthy(func(r *ha.Report) { r.Member.Problem = "diverged: at 0/5000148" }), "0 0 0 0 0 0 0 0 0 0 1 1 0"},
	{"replica that looked two TTLs ago", healthy(func(r *ha.Report) { r.CycleAt, r.NextAt = noon.Add(-80*time.Second), noon.Add(-70*time.Second) }), "0 0 0 0 0 0 0 0 0 0 0 0 0"},
	{"primary that looked one TTL ago", healthy(asPrimary, withoutLease, func(r *ha.Report) { r.CycleAt, r.NextAt = noon.Add(-50*time.Second), noon.Add(-40*time.Second) }), "0 0 0 0 0 0 0 0 0 0 1 0 0"},
	{"standby leader", healthy(asPrimary, standbyCluster, func(r *ha.Report) { r.Server.Role = postgres.RoleReplica }), "0 1 1 0 1 0 0 0 1 1 1 1 1"},
	{"replica in a standby cluster", healthy(standbyCluster), "0 0 0 1 1 0 1 0 0 0 1 1 1"},
	{"before the first look", ha.Report{Name: "a"}, "0 0 0 0 0 0 0 0 0 0 0 1 0"},
}

func noLoadBalance(r *ha.Report) { r.Member.Tags = dcs.Tags{"noloadbalance": true} }

func state(member string, server postgres.State) func(*ha.Report) {
	return func(r *ha.Report) {
		r.Member.State, r.Server.State, r.Server.Role, r.Server.Receiver = member, server, postgres.RoleNone, nil
	}
}

func TestHealthChecks(t *testing.T) {
	n := newNode(t)
	for _, row := range situations {
		n.agent.set(func(r *ha.Report) { *r = row.report })
		want := strings.Fields(row.want)
		for i, path := range paths {
			status := map[string]int{"1": http.StatusOK, "0": http.StatusServiceUnavailable}[want[i]]
			for _, p := range append([]string{path}, aliases[path]...) {
				t.Run(row.name+p, func(t *testing.T) { n.probe(t, p, status) })
			}
		}
	}
}

// probe asks by every method that is a health check.
func (n *node) probe(t *testing.T, path string, status int) {
	t.Helper()
	statusOnly := path == "/liveness" || path == "/readiness"
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		want := status
		if statusOnly && method != "GET" {
			want = http.StatusServiceUnavailable // only GET knows these two
		}
		got := n.do(t, method, path, "")
		if got.status != want {
			t.Errorf("%s: %d, want %d", method, got.status, want)
		}
		if withBody := method == "GET" && !statusOnly; withBody != (got.body != "") {
			t.Errorf("%s: the body is %q", method, got.body)
		}
	}
}

func TestHealthCheckParameters(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(func(r *ha.Report) {
		r.Cluster.Status.Optime = 1 << 20
		r.Server.Replayed, r.Server.Received = 1<<20-16<<10, 1<<20-1
		r.Server.Receiver.LatestEnd = 1 << 19
		r.Member.Tags = dcs.Tags{"zone": "West", "big": true, "weight": 1.4, "none": nil}
	})
	for path, status := range map[string]int{
		"/replica?lag=0":     503,
		"/replica?lag=16383": 503,
		"/replica?lag=16384": 200,
		"/replica?lag=16kB":  200,
		"/replica?lag=8kB":   503,
		"/replica?lag=1GB":   200,
		"/replica?lag=nonsense&replication_state=streaming":  200,
		"/replica?lag=1GB&lag=0":                             200,
		"/async?lag=8kB":                                     503,
		"/read-only?lag=8kB":                                 503,
		"/health?lag=0":                                      200,
		"/replica?replication_state=streaming":               200,
		"/replica?replication_state=in%20archive%20recovery": 503,
		"/replica?tag_zone=West":                             200,
		"/replica?tag_zone=west":                             503,
		"/replica?tag_zone=West&tag_zone=east":               200,
		"/replica?tag_big=true&tag_weight=1.4":               200,
		"/replica?tag_big=True":                              503,
		"/replica?tag_none=null":                             503,
		"/replica?tag_missing=":                              503,
		"/health?tag_zone=east":                              503,
		"/readiness":                                         200,
		"/readiness?lag=8kB":                                 503,
		"/readiness?lag=8kB&mode=apply":                      503,
		"/readiness?lag=8kB&mode=write":                      200,
	} {
		if got := n.do(t, "GET", path, ""); got.status != status {
			t.Errorf("%s: %d, want %d", path, got.status, status)
		}
	}
	n.agent.report = healthy(asPrimary)
	for _, path := range []string{"/primary?tag_zone=east", "/leader?tag_zone=east"} {
		if got := n.do(t, "GET", path, ""); got.status != 200 {
			t.Errorf("%s: %d: a leader's checks know no tags", path, got.status)
		}
	}
}

// What the WAL receiver says of its sender counts when it is more than the
// leader wrote down.
func TestLagByTheReceiver(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(func(r *ha.Report) { r.Server.Receiver.LatestEnd = 10_000 })
	if got := n.do(t, "GET", "/replica?lag=1000", ""); got.status != 503 {
		t.Errorf("%d, want 503", got.status)
	}
}

// A loop that hangs keeps no lease alive: time alone turns /primary.
func TestPrimaryEndsWithItsLease(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	for _, step := range []struct {
		after  time.Duration
		status int
	}{{0, 200}, {20*time.Second - 1, 200}, {1, 503}, {time.Hour, 503}} {
		n.clock.advance(step.after)
		for _, path := range []string{"/primary", "/leader", "/", "/read-write", "/read-only", "/readiness"} {
			if got := n.do(t, "OPTIONS", path, "").status; path != "/readiness" && got != step.status {
				t.Errorf("after %v %s: %d, want %d", n.clock.Now().Sub(noon), path, got, step.status)
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/nonsense", 503}, {"OPTIONS", "/metrics", 503}, {"HEAD", "/patroni", 503}, {"HEAD", "/health", 200},
		{"OPTIONS", "/liveness", 503}, {"GET", "//primary", 200}, {"GET", "/metrics/x", 200},
		{"POST", "/nonsense", 501}, {"POST", "/", 501}, {"PUT", "/primary", 501}, {"BREW", "/patroni", 501}, {"DELETE", "/config", 501},
	} {
		got := n.do(t, c.method, c.path, "")
		if got.status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got.status, c.status)
		}
		if text := fmt.Sprintf("Unsupported method (&#39;%s&#39;)", c.method); c.status == 501 && !strings.Contains(got.body, text) {
			t.Errorf("%s %s: %q doesn't say %q", c.method, c.path, got.body, text)
		}
	}
}
