package etcd_test

import (
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// Whatever somebody wrote into the cluster's keys, it can be read; what isn't as
// the layout says is one short line each, and the verbs go on.
func TestValuesOfOthers(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Args: []string{"--max-request-bytes", "4194304"}})
	raw, ctx := server.Client(t), storetest.Patient(t)
	huge := strings.Repeat("x", 1<<20)
	const truncated = `{"conn_url":"postgres://127.0.0.1:15430/postgr`
	for key, want := range map[string]struct{ value, problem string }{
		"members/cut":       {truncated, "members/cut: "},
		"members/number":    {"17", "members/number: "},
		"members/types":     {`{"conn_url":5,"timeline":"x","tags":[],"state":"running"}`, "members/types: "},
		"members/huge":      {huge, "members/huge: "},
		"members/binary":    {"\x00\xff\n\x1b[31m", "members/binary: "},
		"config":            {`{"ttl":`, "config: "},
		"status":            {`{"optime":"a","slots":5}`, "status: "},
		"sync":              {`[`, "sync: "},
		"history":           {`{"1":2}`, "history: "},
		"failsafe":          {`{"a":`, "failsafe: "},
		"failover":          {`{"scheduled_at":"tomorrow","member":"a"}`, "failover: "},
		"initialize":        {"not a system identifier", "initialize: "},
		"nobody/knows/this": {huge, ""},
		"../demo-2/leader":  {"somebody", ""},
	} {
		key = "/service/demo/" + key
		if strings.Contains(key, "..") { // another cluster's, whose name begins with ours
			key = "/service/demo-2/leader"
		}
		if _, err := raw.Put(ctx, key, want.value); err != nil {
			t.Fatal(err)
		}
		d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
		cluster, err := dcs.NewClient(d, dcs.ClientOptions{}).Read(ctx)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if cluster.Leader != nil {
			t.Errorf("%s: the holder is %+v", key, cluster.Leader)
		}
		for _, line := range cluster.Problems {
			if len(line) > 300 || strings.ContainsAny(line, "\n\r\x1b\x00") {
				t.Errorf("%s: no clear line: %.400q", key, line)
			}
		}
		switch {
		case want.problem == "" && len(cluster.Problems) > 0:
			t.Errorf("%s: problems %q", key, cluster.Problems)
		case want.problem != "" && (len(cluster.Problems) == 0 || !strings.Contains(cluster.Problems[0], strings.TrimSuffix(want.problem, ": "))):
			t.Errorf("%s: problems %q, want %s", key, cluster.Problems, want.problem)
		}
		l, err := d.AttemptToAcquireLeader(ctx)
		if err != nil {
			t.Fatalf("%s: acquire: %v", key, err)
		}
		if err := d.ReleaseLeader(ctx, l); err != nil {
			t.Fatalf("%s: release: %v", key, err)
		}
		if _, err := raw.Delete(ctx, "/service/demo", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
	}
}
