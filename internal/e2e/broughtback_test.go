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
	"testing"

	"github.com/regent-ha/regent/internal/lab"
)

// A replica is made anew, which is interrupted, and somebody brings back what had
// made room for it: once by its name, once into the same directory. The agent that
// starts then finds the mark of the copy that wasn't finished. It doesn't remove
// what was brought back.
func TestCopyBroughtBack(t *testing.T) {
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
	s.must(replica.StartAgent())
	s.healthy()
	data := replica.DataDir()
	for how, bring := range []func(kept string){
		func(kept string) {
			s.must(os.Rename(data, data+".partial"))
			s.must(os.Rename(kept, data))
		},
		func(kept string) {
			left, err := filepath.Glob(data + "/*")
			s.must(err)
			for _, path := range left {
				s.must(os.RemoveAll(path))
			}
			entries, err := os.ReadDir(kept)
			s.must(err)
			for _, e := range entries {
				s.must(exec.Command("mv", filepath.Join(kept, e.Name()), data+"/").Run())
			}
			s.must(os.Remove(kept))
		},
	} {
		copies := s.copiesBegun(replica)
		s.ask(replica, http.MethodPost, "/reinitialize", fields{}, answer{200, "reinitialize started"})
		s.until("a copy that has begun", func(context.Context) error {
			found, _ := filepath.Glob(data + "/clone-*/*")
			if len(found) < 3 || s.copiesBegun(replica) == copies {
				return errors.New("it hasn't")
			}
			return nil
		})
		replica.KillAgent()
		kept := s.keptDir(replica)
		bring(kept)
		before := s.below(data)
		s.must(replica.StartAgent())
		s.healthy()
		kept = s.keptDir(replica)
		after := s.below(kept)
		for path, what := range before {
			if after[path] != what {
				t.Errorf("brought back in way %d: %s was %s, is %s", how, path, what, after[path])
			}
		}
		if len(before) < 500 {
			t.Errorf("what was brought back had %d files only", len(before))
		}
		s.must(os.RemoveAll(kept))
	}
	s.write()
	s.judge(false)
	if _, err := os.Stat(filepath.Join(data, "regent.members.json")); err != nil {
		t.Errorf("who the members are isn't noted with the data: %v", err)
	}
}

// copiesBegun is how often a node's data directory has made room for a copy.
func (s *scene) copiesBegun(n *lab.Node) int {
	s.t.Helper()
	return s.logged(n, "kept what has to make room")
}

// keptDir is the one directory that has made room.
func (s *scene) keptDir(n *lab.Node) string {
	s.t.Helper()
	kept, err := filepath.Glob(n.DataDir() + ".failed-*Z")
	s.must(err)
	if len(kept) != 1 {
		s.t.Fatalf("set aside: %v", kept)
	}
	return kept[0]
}

// below describes each file below dir by its path from there.
func (s *scene) below(dir string) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	s.must(filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			found[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%d bytes, of %v", info.Size(), info.ModTime())
		}
		return err
	}))
	return found
}
