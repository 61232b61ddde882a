package etcd_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// What docs/backends/load.md promises of an idle cluster: a member sends one request
// for its entry, a leader two for its lease.
func TestCostOfAnIdleCycle(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	d, ctx := closing(t, server, etcd.Options{Name: "a", TTL: 12 * time.Second}), storetest.Patient(t)
	<-d.Watch(ctx)
	l, m := storetest.Life(t, d), dcs.Member{State: "running"}
	if err := d.Touch(ctx, m); err != nil {
		t.Fatal(err)
	}
	touched := clock.System().Now()
	testenv.Eventually(t, storetest.Patience, "silence after the touch", func() error {
		if from, until := d.Quiet(); from.IsZero() || !until.After(max(from, touched)) {
			return fmt.Errorf("from %v until %v, touched at %v", from, until, touched)
		}
		return nil
	})
	if _, err := d.Read(ctx); err != nil {
		t.Fatal(err)
	}
	before := received(t, server)
	const cycles = 5
	for range cycles {
		var err error
		if l, err = d.UpdateLeader(ctx, l); err != nil {
			t.Fatal(err)
		}
		if err := d.Touch(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	after := received(t, server)
	for method, want := range map[string]int{"LeaseKeepAlive": 2 * cycles, "Txn": cycles, "Range": 0, "Put": 0, "LeaseGrant": 0, "MemberList": 0} {
		if got := after[method] - before[method]; got != want {
			t.Errorf("%s: %d in %d cycles, want %d", method, got, cycles, want)
		}
	}
}

// received is how many messages of each method clients have sent to the server.
func received(t *testing.T, server *testenv.EtcdCluster) map[string]int {
	t.Helper()
	answer, err := http.Get("http://" + server.Members[0].Addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if labels, ok := strings.CutPrefix(lines.Text(), "grpc_server_msg_received_total{"); ok {
			_, method, _ := strings.Cut(labels, `grpc_method="`)
			method, number, _ := strings.Cut(method, `"`)
			var n float64
			if _, err := fmt.Sscan(number[strings.LastIndexByte(number, ' ')+1:], &n); err != nil {
				t.Fatal(err)
			}
			counts[method] += int(n)
		}
	}
	return counts
}
