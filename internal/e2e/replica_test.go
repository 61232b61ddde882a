package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// A replica's data directory vanishes under it: it is cloned again.
func TestDataDirVanishes(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	s.must(os.Rename(replica.DataDir(), replica.DataDir()+".gone"))
	s.until("the replica to be cloned again", func(context.Context) error {
		if n := s.clones(replica); n != 2 {
			return fmt.Errorf("it was cloned %d times", n)
		}
		return nil
	})
	s.judge(false)
}

// A replica's data directory is of another cluster: it stays out, says so, and
// not a byte of it is changed.
func TestForeignDataDir(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	replica.KillHost()
	s.must(os.RemoveAll(replica.DataDir()))
	initdb := exec.Command(filepath.Join(testenv.PostgresBin(t), "initdb"), "-D", replica.DataDir(), "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	before := contents(t, replica.DataDir())
	s.must(replica.StartHost())
	s.memberSays(replica, "that it is of another cluster", func(state, _, problem string) bool {
		return state != "running" && strings.Contains(problem, "system ID mismatch")
	})
	if got := s.call(replica, http.MethodGet, "/health", nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("GET /health: %d, want 503", got.status)
	}
	after := contents(t, replica.DataDir())
	for path, what := range before {
		if after[path] != what {
			t.Errorf("%s was %s, is %s", path, what, after[path])
		}
	}
	if len(after) != len(before) {
		t.Errorf("the directory had %d files, has %d", len(before), len(after))
	}
	s.untouched(leader)
	s.awaitWrites()
}

// contents is a digest of each file below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		found[path] = fmt.Sprintf("%v, %d bytes, of %v", info.Mode(), info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A clone is interrupted, again and again, at ever later points: by the end of
// the agent, and by the end of pg_basebackup. A half copy is never started; the
// next try begins again, and the last one streams.
func TestCloneInterrupted(t *testing.T) {
	t.Parallel()
	s := newLab(t, lab.Options{Nodes: 2, Node: func(name string, config map[string]any) {
		if name == "b" {
			config["postgresql"].(map[string]any)["basebackup"] = []any{map[string]any{"max-rate": "6M"}}
		}
	}})
	s.must(s.Store.Start(t.Context()))
	leader, replica := s.Nodes[0], s.Nodes[1]
	s.must(leader.StartAgent())
	s.awaitLog(leader, "the leader with the lock")
	s.generate(leader, 8)
	for i, files := range []int{1, 200, 400, 600} {
		s.must(replica.StartAgent())
		s.until(fmt.Sprintf("a copy of %d files", files), func(context.Context) error {
			found, _ := filepath.Glob(replica.DataDir() + "/*/*/*/*")
			if len(found) < files && s.clones(replica) == 0 {
				return fmt.Errorf("it has %d", len(found))
			}
			return nil
		})
		if s.clones(replica) > 0 {
			t.Fatal("the copy was finished before it could be interrupted")
		}
		if i%2 == 0 {
			replica.KillAgent()
		} else if replica.Signal("pg_basebackup", syscall.SIGKILL) == 0 {
			t.Fatal("there is no pg_basebackup")
		}
		if n := s.logged(replica, "postmaster started"); n > 0 {
			t.Fatal("a half copy was started")
		}
	}
	s.must(replica.StartAgent())
	s.healthy()
	s.write()
	s.judge(false)
	if n := replica.Signal("pg_basebackup", 0); n > 0 {
		t.Errorf("%d processes of pg_basebackup are left over", n)
	}
	if _, err := os.Stat(replica.DataDir() + ".incomplete"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the finished copy is still marked as incomplete: %v", err)
	}
}

// The WAL that a replica needs next is gone: it says so, it is not cloned anew by
// itself, and is when it is told to.
func TestWALRemoved(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, Dynamic: map[string]any{"postgresql": map[string]any{
		"use_slots":  false,
		"parameters": map[string]any{"wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"},
	}}})
	s.write()
	replica := s.others(leader)[0]
	replica.KillHost()
	s.removeWAL(leader)
	s.must(replica.StartHost())
	gone := func(_, _, problem string) bool { return strings.Contains(problem, "has removed the WAL from") }
	s.memberSays(replica, "that the WAL is gone", gone)
	clones := s.clones(replica)
	s.pass(2 * s.TTL())
	s.memberSays(replica, "that the WAL is gone, still", gone)
	if now := s.clones(replica); now != clones || keptDirs(t, replica) > 0 {
		t.Errorf("it was cloned anew though nobody asked for it")
	}
	s.ask(replica, http.MethodPost, "/reinitialize", fields{}, answer{200, "reinitialize started"})
	s.judge(false)
	s.memberSays(replica, "that all is well", func(state, _, problem string) bool { return state == "running" && problem == "" })
}
