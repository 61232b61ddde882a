package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

func handle(t *testing.T, server *testenv.ZooKeeperCluster, name string) *DCS {
	t.Helper()
	d, err := Open(Options{Servers: server.Servers(), Path: dcs.Path{Scope: t.Name()}, Name: name, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestMoveOfUnknownOutcome has the key under either session of a move whose answer
// never came, or the new session gone. The caller knows the old one only.
func TestMoveOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, state := range []string{"moved", "not moved", "new session gone", "key gone"} {
		for _, verb := range []string{"update", "release"} {
			t.Run(state+", "+verb, func(t *testing.T) {
				d := handle(t, server, "a")
				l, to := afterUnknownMove(ctx, t, d, state)
				if verb == "release" {
					err := d.ReleaseLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any})
					if lost := errors.Is(err, dcs.ErrLost); lost != (state == "key gone") || err != nil && !lost {
						t.Errorf("got %v", err)
					}
					if n, there, err := d.leaderKey(ctx); there || err != nil {
						t.Errorf("after the release the key is %+v, %v", n, err)
					}
					return
				}
				updated, err := d.UpdateLeader(ctx, l)
				if state == "key gone" {
					if !errors.Is(err, dcs.ErrLost) {
						t.Errorf("got %v, want ErrLost", err)
					}
					return
				}
				if err != nil || updated.For != 2*time.Minute {
					t.Fatalf("got %+v, %v", updated, err)
				}
				if reused := updated.ID == sessionID(to); reused != (state != "new session gone") {
					t.Errorf("the key went to %s, the move was to %x", updated.ID, to)
				}
				if next, err := d.UpdateLeader(ctx, updated); err != nil || next.ID != updated.ID {
					t.Errorf("the next renewal: %+v, %v", next, err)
				}
			})
		}
	}
}

func afterUnknownMove(ctx context.Context, t *testing.T, d *DCS, state string) (l dcs.Lease, to int64) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.AttemptToAcquireLeader(ctx)
	must(err)
	d.SetTTL(2 * time.Minute)
	m := &move{from: d.held}
	c, err := d.attachNew(ctx, m)
	must(err)
	switch state {
	case "moved":
		_, err = d.carryOut(ctx, m)
	case "new session gone":
		err = endSession(ctx, c)
	case "key gone":
		_, err = c.multi(ctx, remove(d.leader, anyVersion))
	}
	must(err)
	d.held = m.from // its answer never came
	return l, m.to.session.id
}

// A move that arrives when its old session has ended leaves the successor's key
// alone, though that node's version is the same.
func TestMoveThatComesLate(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, b := handle(t, server, "a"), handle(t, server, "b")
	if _, err := a.AttemptToAcquireLeader(ctx); err != nil {
		t.Fatal(err)
	}
	m := &move{from: a.held}
	if _, err := a.attachNew(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := endSession(ctx, m.from.conn); err != nil {
		t.Fatal(err)
	}
	l, err := b.AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if b.held.version != m.from.version {
		t.Fatalf("the versions are %d and %d: this tells nothing", b.held.version, m.from.version)
	}
	if _, err := a.carryOut(ctx, m); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	if next, err := b.UpdateLeader(ctx, l); err != nil || next.ID != l.ID {
		t.Errorf("the successor's renewal: %+v, %v", next, err)
	}
}

// A Snapshot is of one moment while another writes two documents at once.
func TestReadIsOfOneMoment(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, b := handle(t, server, "a"), handle(t, server, "b")
	l, err := a.AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const writes = 150
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range writes {
			value := []byte{byte(i)}
			if l, err = a.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: value, Prev: dcs.Any}, dcs.Write{Key: dcs.SyncKey, Value: value, Prev: dcs.Any}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	seen := map[string]bool{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s, err := b.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		status, sync := string(s.Documents[dcs.StatusKey].Value), string(s.Documents[dcs.SyncKey].Value)
		if status != sync {
			t.Fatalf("status is %q and sync is %q, which never was", status, sync)
		}
		seen[status] = true
	}
	if len(seen) < 3 {
		t.Errorf("only %d states were seen", len(seen))
	}
}

// Renewals come over new connections: they don't pile up, and no server complains.
func TestRenewalsLeaveNothing(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d := handle(t, server, "a")
	l, err := d.AttemptToAcquireLeader(ctx)
	before := len(server.Members[0].Log())
	for range 100 {
		if err == nil {
			l, err = d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any})
		}
		if err == nil {
			err = d.Touch(ctx, dcs.Member{State: "running"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	testenv.Eventually(t, 10*time.Second, "the replaced connections to end", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if n := len(d.conns); n > 3 {
			return fmt.Errorf("%d are open", n)
		}
		return nil
	})
	if text := server.Members[0].Log()[before:]; text != "" {
		t.Errorf("the server printed:\n%s", text)
	}
}
