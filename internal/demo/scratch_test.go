package demo

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestScratch(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := "/tmp/scratchlab"
	l, err := lab.New(lab.Options{Dir: dir, LinkPeers: os.Getenv("LINKS") != "", Regent: "/tmp/regent-lab", Store: lab.Etcd("/usr/bin/etcd"), PostgresBin: testenv.PostgresBin(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	if err := l.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log("healthy after", time.Since(start))
	if err := l.CreateTable(ctx); err != nil {
		t.Fatal(err)
	}
	tr := &tour{lab: l, client: l.StartClient(), lost: map[lost]bool{}}
	tr.writers = append(l.StartProbes(), tr.client)
	tr.leader, err = l.WaitHealthy(ctx)
	tr.written(ctx)
	for _, s := range steps(5 * time.Second) {
		if f := os.Getenv("STEP"); f != "" && !strings.Contains(s.name, f) {
			continue
		}
		for _, n := range l.Nodes {
			exec.Command("sh", "-c", "echo '=== "+s.name+"' >> "+n.Log).Run()
		}
		r := tr.run(ctx, s)
		t.Logf("%-30s took %v gap %v acked %d lost %d two %v leader %s broken %v", s.name, r.took, r.gap, r.acked, r.lost, r.two, r.leader, r.broken())
		if r.err != nil {
			t.Fail()
			return
		}
	}
}
