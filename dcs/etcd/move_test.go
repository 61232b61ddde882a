package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// TestMoveOfUnknownOutcome has the key on either lease of a move whose answer
// never came, or the new lease gone. The caller knows the old one only.
func TestMoveOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	raw := server.Client(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, state := range []string{"moved", "not moved", "new lease gone", "key gone"} {
		for _, verb := range []string{"update", "release"} {
			t.Run(state+", "+verb, func(t *testing.T) {
				d, l, to := afterUnknownMove(ctx, t, server, raw, state)
				if verb == "release" {
					err := d.ReleaseLeader(ctx, l)
					if lost := errors.Is(err, dcs.ErrLost); lost != (state == "key gone") || err != nil && !lost {
						t.Errorf("got %v", err)
					}
					if kv, err := d.leaderKey(ctx); kv != nil || err != nil {
						t.Errorf("after the release the key is %v, %v", kv, err)
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
				if reused := updated.ID == grantID(to); reused != (state != "new lease gone") {
					t.Errorf("the key went to %s, the move was to %s", updated.ID, grantID(to))
				}
				if next, err := d.UpdateLeader(ctx, updated); err != nil || next.ID != updated.ID {
					t.Errorf("the next renewal: %+v, %v", next, err)
				}
			})
		}
	}
}

func afterUnknownMove(ctx context.Context, t *testing.T, server *testenv.EtcdCluster, raw *clientv3.Client, state string) (*DCS, dcs.Lease, clientv3.LeaseID) {
	t.Helper()
	d, err := Open(Options{Endpoints: server.Endpoints(), Path: dcs.Path{Scope: t.Name()}, Name: "a", TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	l, err := d.AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d.SetTTL(2 * time.Minute)
	to, err := d.newGrant(ctx)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := parseGrantID(l.ID)
	d.setMove(&move{from: from, to: to})
	switch state {
	case "moved":
		_, err = raw.Put(ctx, d.leader, "a", clientv3.WithLease(to.id))
	case "new lease gone":
		_, err = raw.Revoke(ctx, to.id)
	case "key gone":
		_, err = raw.Delete(ctx, d.leader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, l, to.id
}
