package rest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

var rewrite = flag.Bool("rewrite", false, "write what is answered into testdata; review the diff")

func TestMetrics(t *testing.T) {
	n := newNode(t)
	n.clock.advance(2 * time.Second)
	for name, report := range map[string]ha.Report{
		"replica": healthy(synchronous(ha.SynchronousQuorum), paused, func(r *ha.Report) {
			r.Server.ReplayedAt, r.Server.ReplayPaused = time.Unix(1700000001, 500_000_000), true
			r.Member.PendingRestart = map[string]dcs.PendingChange{}
			r.Member.Tags = dcs.Tags{"failover_priority": 5}
			r.Settings.Failsafe = true
			r.Cluster.Failsafe.Members = map[string]string{"a": "http://a:8008/patroni"}
		}),
		"primary": healthy(asPrimary, func(r *ha.Report) { r.Failsafe = true }),
		"stopped": healthy(withoutView, state("crashed", postgres.StateStopped), func(r *ha.Report) {
			r.Server = postgres.Status{State: postgres.StateStopped}
			r.Member.Problem = "diverged: at 0/5000148"
		}),
	} {
		n.agent.set(func(r *ha.Report) { *r = report })
		got := n.do(t, "GET", "/metrics", "")
		if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", name, got.status, got.header.Get("Content-Type"))
		}
		file := filepath.Join("testdata", "metrics", name+".txt")
		want, err := os.ReadFile(file)
		if *rewrite {
			err = os.WriteFile(file, []byte(got.body), 0o644)
			want = []byte(got.body)
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.body); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The names and types that dashboards rely on.
func TestMetricNames(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	body := n.do(t, "GET", "/metrics", "").body
	for line := range strings.SplitSeq(`version gauge, postgres_running gauge, postmaster_start_time gauge, primary gauge, xlog_location counter, standby_leader gauge,
		replica gauge, sync_standby gauge, quorum_standby gauge, xlog_received_location counter, xlog_replayed_location counter, xlog_replayed_timestamp gauge,
		xlog_paused gauge, postgres_streaming gauge, postgres_in_archive_recovery gauge, postgres_server_version gauge, cluster_unlocked gauge,
		failsafe_mode_is_active gauge, failsafe_mode_enabled gauge, failsafe_member gauge, postgres_timeline gauge, dcs_last_seen gauge, pending_restart gauge,
		is_paused gauge, postgres_state gauge, failover_priority gauge`, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, want := range []string{
			"# HELP patroni_" + name + " ", "# TYPE patroni_" + name + " " + kind + "\n", "\npatroni_" + name + `{name="a",scope="demo"} `,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%q is missing", want)
			}
		}
	}
	if !regexp.MustCompile(`(?m)^patroni_version\{.*\} 40104$`).MatchString(body) {
		t.Error("patroni_version isn't 40104")
	}
}
