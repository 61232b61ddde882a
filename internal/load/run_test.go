package load

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Twenty clusters on a real etcd, for some seconds.
func TestTwentyClusters(t *testing.T) {
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("no etcd found: apt-get install etcd-server")
	}
	var out strings.Builder
	o := Options{
		Etcd: program, Clusters: 20, Members: 3, TTL: 30 * time.Second, LoopWait: time.Second, For: 3 * time.Second, Writes: true,
		Dir: t.TempDir(), Out: &out,
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	phases, err := Run(ctx, o)
	t.Log(out.String())
	if err != nil || len(phases) != 2 {
		t.Fatalf("%d phases, %v", len(phases), err)
	}
	for _, p := range phases {
		if p.Failed > 0 || p.Lost > 0 {
			t.Errorf("%s: %d requests failed, %d leases were lost", p.Name, p.Failed, p.Lost)
		}
		if p.Renewals < o.Clusters || p.Touches < o.Clusters*o.Members {
			t.Errorf("%s: %d renewals, %d touches: some member has had no cycle", p.Name, p.Renewals, p.Touches)
		}
	}
	if idle, busy := phases[0], phases[1]; idle.Reads >= busy.Reads {
		t.Errorf("%d reads in idle clusters, %d in busy ones", idle.Reads, busy.Reads)
	}
	for _, figure := range []string{"LeaseKeepAlive ", "MiB resident", "p99 "} {
		if !strings.Contains(out.String(), figure) {
			t.Errorf("no %q in what was printed", figure)
		}
	}
}

func TestOptions(t *testing.T) {
	good := Options{Etcd: "etcd", Clusters: 1, Members: 1, TTL: 30 * time.Second, LoopWait: 10 * time.Second, For: time.Second, Dir: "/x"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*Options){
		"Etcd":     func(o *Options) { o.Etcd = "" },
		"Dir":      func(o *Options) { o.Dir = "" },
		"Clusters": func(o *Options) { o.Clusters = 0 },
		"Members":  func(o *Options) { o.Members = 0 },
		"TTL":      func(o *Options) { o.TTL = time.Second },
		"For":      func(o *Options) { o.For = 0 },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), "load: "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestSummarize(t *testing.T) {
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(200-i))
	}
	if s := summarize(took); s.count != 200 || s.median != 101 || s.high != 199 || s.length != 200 {
		t.Errorf("%+v", s)
	}
	if s := summarize(nil); s.count != 0 {
		t.Errorf("of nothing: %+v", s)
	}
}
