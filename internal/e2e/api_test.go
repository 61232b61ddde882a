package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// answer is what the REST API said.
type answer struct {
	status int
	text   string
}

// call sends a request to a node's REST API and returns its answer.
func (s *scene) call(n *lab.Node, method, path string, body any) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		s.must(err)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+n.APIAddr+path, bytes.NewReader(text))
	s.must(err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	s.must(err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	s.must(err)
	return answer{response.StatusCode, string(got)}
}

// ask is call with an answer that must come.
func (s *scene) ask(n *lab.Node, method, path string, body any, want answer) {
	s.t.Helper()
	if got := s.call(n, method, path, body); got != want {
		s.t.Errorf("%s %s %v: %d %q, want %d %q", method, path, body, got.status, got.text, want.status, want.text)
	}
}

// fields is a JSON object.
type fields map[string]any

// A switchover to a named member, then to anyone, both asked of a replica. Both
// are done when they are answered, and nothing is lost. The former primaries
// stream from the new one as they are.
func TestSwitchover(t *testing.T) {
	t.Parallel()
	switchover(t, lab.Options{})
}

func switchover(t *testing.T, o lab.Options) {
	s, leader := start(t, o)
	s.write()
	clones := map[*lab.Node]int{}
	for _, n := range s.Nodes {
		clones[n] = s.clones(n)
	}
	named, other := s.others(leader)[0], s.others(leader)[1]
	s.ask(other, http.MethodPost, "/switchover", fields{"leader": leader.Name, "candidate": named.Name},
		answer{200, fmt.Sprintf("Successfully switched over to %q", named.Name)})
	if ok, err := named.Writable(t.Context()); err != nil || !ok {
		t.Errorf("%s takes writes: %v, %v", named.Name, ok, err)
	}
	s.healthy()
	got := s.call(other, http.MethodPost, "/switchover", fields{"leader": named.Name})
	next := s.otherLeads(named)
	if want := (answer{200, fmt.Sprintf("Successfully switched over to %q", next.Name)}); got != want {
		t.Errorf("a switchover to anyone: %v, want %v", got, want)
	}
	s.judge(false)
	for n, before := range clones {
		if now := s.clones(n); now != before || keptDirs(t, n) > 0 || s.logged(n, "pg_rewind with") > 0 {
			t.Errorf("%s was cloned or rewound", n.Name)
		}
	}
}

// What a request asks that can't be is refused in the words of the API, and the
// primary works on as if nothing had been asked.
func TestSwitchoverRefused(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Node: func(name string, config map[string]any) {
		if name == "c" {
			config["tags"] = map[string]any{"nofailover": true}
		}
	}})
	s.write()
	barred := s.Node("c")
	for _, c := range []struct {
		path string
		body fields
		want answer
	}{
		{"/switchover", fields{"leader": leader.Name, "candidate": barred.Name}, answer{412, "switchover is not possible: no good candidates have been found"}},
		{"/switchover", fields{"leader": leader.Name, "candidate": "nobody"}, answer{412, "candidate does not exists"}},
		{"/switchover", fields{"leader": leader.Name, "candidate": leader.Name}, answer{400, "Switchover target and source are the same"}},
		{"/switchover", fields{"leader": barred.Name, "candidate": leader.Name}, answer{412, "leader name does not match"}},
		{"/switchover", fields{"candidate": barred.Name}, answer{400, "Switchover could be performed only from a specific leader"}},
		{"/switchover", fields{"leader": leader.Name, "scheduled_at": "2001-01-01T00:00:00Z"}, answer{422, "Cannot schedule switchover in the past"}},
		{"/failover", fields{"leader": leader.Name}, answer{400, "Failover could be performed only to a specific candidate"}},
		{"/failover", fields{"candidate": "nobody"}, answer{412, "candidate does not exists"}},
		{"/failover", fields{"candidate": barred.Name}, answer{412, "failover is not possible: no good candidates have been found"}},
		{"/failover", fields{"candidate": barred.Name, "scheduled_at": "2099-01-01T00:00:00Z"}, answer{400, "Failover can't be scheduled"}},
		{"/reinitialize", fields{}, answer{503, "I am the leader, can not reinitialize"}},
		{"/restart", fields{"role": "replica"}, answer{503, "restart conditions are not satisfied"}},
	} {
		s.ask(leader, http.MethodPost, c.path, c.body, c.want)
	}
	s.ask(barred, http.MethodPost, "/switchover", fields{"leader": leader.Name, "candidate": barred.Name},
		answer{412, "switchover is not possible: no good candidates have been found"})
	s.untouched(leader)
	s.judge(false)
	if gap := s.gap(); gap > 2*time.Second {
		t.Errorf("clients noticed: no write for %v", gap)
	}
}

// untouched checks that leader leads on and no request is left over.
func (s *scene) untouched(leader *lab.Node) {
	s.t.Helper()
	c, err := s.Cluster(s.ctx)
	s.must(err)
	if now := c.LeaderName(); now != leader.Name {
		s.t.Errorf("%q leads, not %s as before", now, leader.Name)
	}
	if c.Failover.Requested() {
		s.t.Errorf("a request is left over: %+v", c.Failover)
	}
	if len(c.History.Lines) > 0 {
		s.t.Errorf("somebody was promoted: %+v", c.History.Lines)
	}
}

// A switchover and a failover to a replica that lags behind more than
// maximum_lag_on_failover fail as a whole; once it has caught up they are done.
func TestSwitchoverLagging(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	candidate := s.others(leader)[0]
	s.behind(leader, candidate)
	s.refused(leader, "/switchover", fields{"leader": leader.Name, "candidate": candidate.Name},
		"Switchover failed: no healthy members found ("+candidate.Name+": its wal position exceeds maximum replication lag (")
	s.ask(candidate, http.MethodPost, "/failover", fields{"candidate": candidate.Name}, answer{503, "Failover failed"})
	s.untouched(leader)
	s.receive(candidate, true)
	s.healthy()
	s.caughtUp(leader, candidate)
	s.ask(leader, http.MethodPost, "/failover", fields{"candidate": candidate.Name},
		answer{200, fmt.Sprintf("Successfully failed over to %q", candidate.Name)})
	s.judge(false)
}

// A restart of a replica and of the primary, by request: done when answered, in
// place, and nothing is lost. A request that has a filter restarts only whom it
// fits.
func TestRestart(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	for _, n := range []*lab.Node{s.others(leader)[0], leader} {
		before := n.PostmasterPID()
		s.ask(n, http.MethodPost, "/restart", fields{"restart_pending": true}, answer{503, "restart conditions are not satisfied"})
		if n.PostmasterPID() != before {
			t.Errorf("%s was restarted although no setting waits for it", n.Name)
		}
		s.ask(n, http.MethodPost, "/restart", nil, answer{200, "restarted successfully"})
		if now := n.PostmasterPID(); now == before || now == 0 {
			t.Errorf("the postmaster of %s was %d and is %d", n.Name, before, now)
		}
		s.healthy()
	}
	s.untouched(leader)
	s.judge(false)
}

// A replica is reinitialized by request: its data directory is a new copy, and
// the old one is kept beside it.
func TestReinitialize(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	replica := s.others(leader)[0]
	before := s.clones(replica)
	s.ask(replica, http.MethodPost, "/reinitialize", fields{}, answer{200, "reinitialize started"})
	s.until("a new copy", func(context.Context) error {
		if s.logged(replica, "run reinitialize with .* has ended well") == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	s.judge(false)
	if now := s.clones(replica); now != before {
		t.Errorf("%d copies beside the reinitialization, %d before", now, before)
	}
	if kept := keptDirs(t, replica); kept != 1 {
		t.Errorf("%d old data directories are kept, want 1", kept)
	}
}
