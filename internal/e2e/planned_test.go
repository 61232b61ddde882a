package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
)

// keepOut ends a replica's stream from the leader, and lets no WAL receiver in.
func (s *scene) keepOut(leader, replica *lab.Node) {
	s.t.Helper()
	s.must(leader.Exec(s.ctx, "alter role replicator nologin"))
	s.must(leader.Exec(s.ctx, fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_replication where application_name = '%s'", replica.Name)))
	s.until(replica.Name+" to be cut off", func(ctx context.Context) error {
		r, err := replica.Report(ctx)
		if err == nil && r.Streaming {
			err = fmt.Errorf("it streams")
		}
		return err
	})
}

// letIn lets WAL receivers in again.
func (s *scene) letIn(leader *lab.Node) {
	s.t.Helper()
	s.until("the replicas to be let in", func(ctx context.Context) error { // it may have been restarted
		return leader.Exec(ctx, "alter role replicator login")
	})
}

// refused asks for something whose answer begins with why.
func (s *scene) refused(n *lab.Node, path string, body fields, why string) {
	s.t.Helper()
	if got := s.call(n, http.MethodPost, path, body); got.status != http.StatusServiceUnavailable || !strings.HasPrefix(got.text, why) {
		s.t.Errorf("POST %s %v: %d %q, want 503 %q", path, body, got.status, got.text, why)
	}
}

// A switchover to a replica that gets no WAL any more, and lacks less than a leader
// may: the leader stops, finds nobody who has all of its WAL, and leads on. Nothing is
// lost. Once the replica has caught up it is done.
func TestSwitchoverWithBrokenReplication(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2})
	s.write()
	candidate := s.others(leader)[0]
	s.keepOut(leader, candidate)
	s.awaitWrites()
	s.refused(leader, "/switchover", fields{"leader": leader.Name, "candidate": candidate.Name},
		"Switchover failed: nobody has all of my WAL ("+candidate.Name+": lacks ")
	s.untouched(leader)
	s.awaitWrites()
	s.letIn(leader)
	s.healthy()
	s.checkRows(false)
	s.ask(leader, http.MethodPost, "/switchover", fields{"leader": leader.Name, "candidate": candidate.Name},
		answer{200, fmt.Sprintf("Successfully switched over to %q", candidate.Name)})
	s.judge(false)
}

// The host of the leader is lost, and the replica that has got further has a guard
// that is frozen: it doesn't run, and the other one leads.
func TestBestReplicaWithoutGuard(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{})
	s.write()
	further, short := s.others(leader)[0], s.others(leader)[1]
	s.keepOut(leader, short)
	s.awaitWrites()
	s.must(further.FreezeGuard())
	leader.KillHost()
	if next := s.otherLeads(leader); next != short {
		t.Errorf("%s leads, not %s", next.Name, short.Name)
	}
	s.awaitWrites()
	if limit := s.Succession() + s.TTL(); s.gap() > limit {
		t.Errorf("no write for %v, with a ttl of %v", s.gap(), s.TTL())
	}
	if n := s.logged(further, "done: acquire"); n > 0 {
		t.Errorf("%s won the leader key %d times", further.Name, n)
	}
	s.letIn(short)
	s.must(further.ThawGuard())
	s.must(leader.StartHost())
	s.judge(true)
}
