package demo

import (
	"context"
	"sync"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/lab"
)

// state is the cluster at one look.
type state struct {
	at      clock.Instant
	leader  string // holder of the leader key; empty: nobody
	storeOK bool
	nodes   []nodeState
}

type nodeState struct {
	name                     string
	agent, guard, postmaster int // processes; 0: none
	sql, api                 string
	role                     string // primary, standby, or why there is no answer
	streaming                bool
	timeline                 uint32
	lag                      int64 // bytes behind the primary; -1: unknown
}

// look asks every node itself, and the store.
func look(ctx context.Context, l *lab.Lab) state {
	s := state{nodes: make([]nodeState, len(l.Nodes))}
	var group sync.WaitGroup
	group.Go(func() {
		if c, err := l.Cluster(ctx); err == nil {
			s.leader, s.storeOK = c.LeaderName(), true
		}
	})
	reports := make([]lab.Report, len(l.Nodes))
	for i, n := range l.Nodes {
		s.nodes[i] = nodeState{
			name: n.Name, agent: n.AgentPID(), guard: n.GuardPID(), postmaster: n.PostmasterPID(),
			sql: n.SQLAddr, api: "http://" + n.APIAddr, role: "down", lag: -1,
		}
		group.Go(func() {
			r, err := n.Report(ctx)
			switch {
			case err == nil:
				reports[i] = r
			case s.nodes[i].postmaster != 0:
				s.nodes[i].role = "no answer"
			}
		})
	}
	group.Wait()
	s.at = clock.System().Now()
	s.compare(reports)
	return s
}

// compare fills in what the reports say, with the primary's position as measure.
func (s *state) compare(reports []lab.Report) {
	var position int64
	for _, r := range reports {
		if r.Primary {
			position = max(position, r.Position)
		}
	}
	for i, r := range reports {
		n := &s.nodes[i]
		switch {
		case r.Primary:
			n.role, n.lag = "primary", 0
		case r.Timeline != 0:
			n.role, n.streaming = "standby", r.Streaming
			if position > 0 {
				n.lag = max(0, position-r.Position)
			}
		}
		n.timeline = r.Timeline
	}
}

// primary is the one that takes writes and leads.
func (s state) primary() *nodeState {
	for i := range s.nodes {
		if s.nodes[i].role == "primary" && s.nodes[i].name == s.leader {
			return &s.nodes[i]
		}
	}
	return nil
}

// whole: a primary, and everybody else streams.
func (s state) whole() bool {
	for _, n := range s.nodes {
		if n.role != "primary" && !n.streaming {
			return false
		}
	}
	return s.primary() != nil
}
