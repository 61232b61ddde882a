package lab_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

func daemon(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "regent")
	build := exec.Command("go", "build", "-o", path, "github.com/regent-ha/regent/cmd/regent")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestLab(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l, err := lab.New(lab.Options{Regent: "/tmp/regent-lab", Store: lab.Etcd("/usr/bin/etcd"), PostgresBin: testenv.PostgresBin(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	start := time.Now()
	if err := l.Start(ctx); err != nil {
		for _, n := range l.Nodes {
			out, _ := exec.Command("tail", "-40", n.Log).CombinedOutput()
			t.Logf("%s:\n%s", n.Name, out)
		}
		t.Fatal(err)
	}
	t.Log("healthy after", time.Since(start))
}
