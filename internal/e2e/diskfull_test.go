package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/regent-ha/regent/internal/lab"
)

// A replica's disk is full: the primary works on, and the replica says why it
// doesn't follow. Then the primary's: the replica takes over, and the former
// primary says why it doesn't come back. With room again each does by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, leader := start(t, lab.Options{Nodes: 2, Dir: disks(t), Dynamic: map[string]any{
		"primary_stall_timeout": 4,
		"postgresql":            map[string]any{"parameters": map[string]any{"min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "16MB"}},
	}})
	s.write()
	replica := s.others(leader)[0]
	full := func(_, _, problem string) bool {
		return strings.Contains(strings.ToLower(problem), "no space left on device")
	}

	room := fill(t, replica.DataDir())
	s.generate(leader, 17)
	s.memberSays(replica, "that its disk is full", full)
	s.awaitWrites()
	s.untouched(leader)
	room.drop(t)
	s.healthy()

	room = fill(t, leader.DataDir())
	s.fillWAL(leader)
	if now := s.otherLeads(leader); now != replica {
		t.Errorf("%s leads, want %s", now.Name, replica.Name)
	}
	s.awaitWrites()
	s.memberSays(leader, "that its disk is full", full)
	room.drop(t)
	s.judge(true) // what the crash had not sent to the replica
	for _, n := range s.Nodes {
		s.memberSays(n, "that all is well", func(state, _, problem string) bool { return state == "running" && problem == "" })
	}
}

// fillWAL writes WAL until the server has died of it, or lets nobody in: where
// autovacuum has just taken the server's cache of its catalogs (pg_internal.init)
// away, a session begins by writing it. A statement that fails is not enough: a table
// that can't grow is an error too, and no crash.
func (s *scene) fillWAL(n *lab.Node) {
	s.t.Helper()
	postmaster := n.PostmasterPID()
	s.until("the primary to die of its full disk", func(ctx context.Context) error {
		err := n.Exec(ctx, "select pg_logical_emit_message(true, 'test', repeat('x', 1 << 20))")
		var refused *pgconn.ConnectError
		switch {
		case n.PostmasterPID() != postmaster || errors.As(err, &refused) && strings.Contains(err.Error(), "could not write init file"):
			return nil
		case err == nil:
			return errors.New("it still writes")
		}
		return err
	})
}
