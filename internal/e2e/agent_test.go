package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// A single node whose agent was frozen comes back as primary on a new timeline.
func TestSingleNodeFenced(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 1})
	s.write()
	leader.FreezeAgent()
	s.fenced(leader)
	leader.ThawAgent()
	s.judge(false)
	c, err := s.Cluster(t.Context())
	s.must(err)
	if len(c.History.Lines) != 1 {
		t.Errorf("history %+v, want one line", c.History.Lines)
	}
}

// The agent is killed and started again within the lease: it goes on with its
// grant, and PostgreSQL never stops.
func TestAgentRestartedWithinLease(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{TTL: 20 * time.Second, RetryTimeout: 3 * time.Second})
	s.write()
	postmaster := leader.PostmasterPID()
	leader.KillAgent()
	s.must(leader.StartAgent())
	s.awaitLog(leader, "resumed the lease")
	s.judge(false)
	if now := leader.PostmasterPID(); now != postmaster {
		t.Errorf("the postmaster was %d, is %d", postmaster, now)
	}
	if gap := s.gap(); gap > 2*time.Second {
		t.Errorf("the client noticed: no write for %v", gap)
	}
}

// SIGTERM on the primary: a replica has taken over before the agent is gone.
func TestAgentTerminated(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{TTL: 20 * time.Second, RetryTimeout: 3 * time.Second})
	s.write()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.must(leader.StopAgent(ctx))
	c, err := s.Cluster(t.Context())
	s.must(err)
	if now := c.LeaderName(); now == "" || now == leader.Name {
		t.Errorf("the agent of %s is gone, and the leader is %q", leader.Name, now)
	}
	if leader.PostmasterPID() != 0 {
		t.Error("its PostgreSQL still runs")
	}
	s.must(leader.StartAgent())
	s.judge(false)
}

// An agent with the same name on another data directory gets nothing of the
// other's lease, and refuses to start.
func TestSameName(t *testing.T) {
	t.Parallel()
	s := newLab(t, lab.Options{Nodes: 2, Node: func(name string, config map[string]any) {
		config["name"] = "twin"
	}})
	s.must(s.Store.Start(t.Context()))
	first, second := s.Nodes[0], s.Nodes[1]
	s.must(first.StartAgent())
	s.awaitLog(first, "no action. I am .twin., the leader with the lock")
	s.must(second.StartAgent())
	s.awaitLog(second, "there is already a node named 'twin' running")
	s.until("the second to end", func(context.Context) error {
		if second.AgentPID() != 0 {
			return os.ErrExist
		}
		return nil
	})
	if _, err := os.Stat(second.DataDir()); err == nil {
		t.Error("the second made a data directory")
	}
}

// A second agent on the same data directory, of another name and with another run
// directory, refuses to start: it says who has it, and stops nothing.
func TestSecondAgentElsewhere(t *testing.T) {
	t.Parallel()
	var dir string
	s := newLab(t, lab.Options{Nodes: 2, Node: func(name string, config map[string]any) {
		sql := config["postgresql"].(map[string]any)
		if name == "a" {
			dir = sql["data_dir"].(string)
			return
		}
		sql["data_dir"] = dir
	}})
	s.must(s.Store.Start(t.Context()))
	first, second := s.Nodes[0], s.Nodes[1]
	s.must(first.StartAgent())
	s.awaitLog(first, "the leader with the lock")
	server, guard := first.PostmasterPID(), first.GuardPID()
	s.must(second.StartAgent())
	s.awaitLog(second, fmt.Sprintf(`the data directory .* can't be ours: the process with pid %d holds it \(%s`, first.AgentPID(), regexp.QuoteMeta(dir)))
	s.ends(second)
	s.never(2*time.Second, "another server or guard", func(context.Context) bool {
		return first.PostmasterPID() != server || first.GuardPID() != guard
	})
	if files := second.RunFiles("guard.pid"); len(files) > 0 {
		t.Errorf("it has started a guard: %v", files)
	}
	if ok, err := first.Writable(t.Context()); err != nil || !ok {
		t.Errorf("the first is writable: %v, %v", ok, err)
	}
}

// A second agent on the same data directory refuses to start.
func TestSecondAgent(t *testing.T) {
	t.Parallel()
	var dir string
	s := newLab(t, lab.Options{Nodes: 2, Node: func(name string, config map[string]any) {
		sql := config["postgresql"].(map[string]any)
		if name == "a" {
			dir = sql["data_dir"].(string)
			return
		}
		sql["data_dir"] = dir
		config["run_dir"] = filepath.Join(filepath.Dir(dir), "run")
	}})
	s.must(s.Store.Start(t.Context()))
	first, second := s.Nodes[0], s.Nodes[1]
	s.must(first.StartAgent())
	s.awaitLog(first, "the leader with the lock")
	s.must(second.StartAgent())
	s.awaitLog(second, `the process with pid \d+ holds it`)
	if ok, err := first.Writable(t.Context()); err != nil || !ok {
		t.Errorf("the first is writable: %v, %v", ok, err)
	}
}
