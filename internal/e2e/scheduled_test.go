package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/lab"
)

// A restart for later is made at its time, on a primary too that looks up only
// once a minute; one that was taken back isn't made.
func TestScheduledRestart(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	slowPolls(s, nil)
	s.write()
	replica := s.others(leader)[0]
	before := map[*lab.Node]int{leader: leader.PostmasterPID(), replica: replica.PostmasterPID()}

	later := fields{"schedule": dcs.FormatTime(time.Now().Add(4 * time.Second))}
	s.ask(replica, http.MethodPost, "/restart", later, answer{202, "Restart scheduled"})
	s.ask(replica, http.MethodPost, "/restart", later, answer{409, "Another restart is already scheduled"})
	s.ask(replica, http.MethodDelete, "/restart", nil, answer{200, "scheduled restart deleted"})

	at := time.Now().Add(4 * time.Second)
	s.ask(leader, http.MethodPost, "/restart", fields{"schedule": dcs.FormatTime(at), "role": "primary"}, answer{202, "Restart scheduled"})
	s.scheduled(leader, dcs.FormatTime(at))
	s.until("the restart of the primary", func(context.Context) error {
		if now := leader.PostmasterPID(); now == before[leader] || now == 0 {
			return fmt.Errorf("process %d runs", now)
		}
		return nil
	})
	s.scheduled(leader, "")
	s.healthy()
	if late := s.startedAt(leader).Sub(at); late < 0 || late > 3*time.Second {
		t.Errorf("the server was restarted %v after it was to be", late)
	}
	if leader.PostmasterPID() == before[leader] || replica.PostmasterPID() != before[replica] {
		t.Errorf("the postmasters were %v and are %d, %d", before, leader.PostmasterPID(), replica.PostmasterPID())
	}
	s.untouched(leader)
	s.judge(false)
}

// scheduled waits until n's entry in the store has a restart at that time; empty:
// none.
func (s *scene) scheduled(n *lab.Node, at string) {
	s.t.Helper()
	s.until("the entry of "+n.Name+" to say when it is restarted", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err != nil {
			return err
		}
		m, _ := c.Member(n.Name)
		if said, _ := m.ScheduledRestart["schedule"].(string); said != at {
			return fmt.Errorf("it says %v", m.ScheduledRestart)
		}
		return nil
	})
}

// startedAt is when n's server was started, by its own word.
func (s *scene) startedAt(n *lab.Node) time.Time {
	s.t.Helper()
	var status struct {
		StartedAt string `json:"postmaster_start_time"`
	}
	s.must(json.Unmarshal([]byte(s.call(n, http.MethodGet, "/patroni", nil).text), &status))
	at, err := dcs.ParseTime(status.StartedAt)
	s.must(err)
	return at
}
