package e2e

import (
	"context"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
)

// Three empty nodes start at the same instant: one makes the cluster, the others
// clone it.
func TestThreeEmptyNodes(t *testing.T) {
	t.Parallel()
	threeEmptyNodes(t, lab.Options{})
}

func threeEmptyNodes(t *testing.T, o lab.Options) {
	s, leader := start(t, o)
	s.madeOnce(leader)
	s.write()
	s.judge(false)
}

// madeOnce checks that leader has made the cluster and the others have cloned it.
func (s *scene) madeOnce(leader *lab.Node) {
	s.t.Helper()
	made := 0
	for _, n := range s.Nodes {
		made += s.logged(n, "run bootstrap has ended well")
	}
	if made != 1 || s.logged(leader, "initialized a new cluster") == 0 {
		s.t.Errorf("%d nodes made a cluster, want 1", made)
	}
	for _, n := range s.others(leader) {
		if s.logged(n, "run clone with .* has ended well") == 0 {
			s.t.Errorf("%s wasn't cloned", n.Name)
		}
	}
}

// The store is wiped under a running cluster, and an empty newcomer is the first
// at it: the running cluster's identifier stands.
func TestWipedStore(t *testing.T) {
	t.Parallel()
	s := newLab(t, lab.Options{Nodes: 4})
	newcomer := s.Node("d")
	s.must(s.Store.Start(t.Context()))
	for _, n := range s.others(newcomer) {
		s.must(n.StartAgent())
	}
	s.until("three nodes to stream", func(ctx context.Context) error {
		_, err := s.WaitStreaming(ctx, s.others(newcomer)...)
		return err
	})
	before, err := s.Cluster(t.Context())
	s.must(err)
	s.write()
	for _, n := range s.others(newcomer) {
		n.FreezeAgent() // none of them is there when the newcomer looks
	}
	s.must(s.Wipe(t.Context()))
	s.must(newcomer.StartAgent())
	s.awaitLog(newcomer, "waiting a cycle for members that have data")
	for _, n := range s.others(newcomer) {
		n.ThawAgent()
	}
	s.judge(true) // rows that a wiped store cuts off from replication would be a lost host's
	after, err := s.Cluster(t.Context())
	s.must(err)
	if after.Initialize.SystemID != before.Initialize.SystemID {
		t.Errorf("the cluster was %s, now it is %s", before.Initialize.SystemID, after.Initialize.SystemID)
	}
	if n := s.logged(newcomer, "run bootstrap"); n > 0 {
		t.Error("the newcomer made a cluster of its own")
	}
	for _, n := range s.Nodes {
		if n.AgentPID() == 0 {
			t.Errorf("the agent of %s has ended", n.Name)
		}
	}
}
