package consul

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// TestMoveOfUnknownOutcome has the key under either session of a move whose answer
// never came, or the new session gone. The caller knows the old one only.
func TestMoveOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	raw := server.Client(t, server.Servers[0])
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, state := range []string{"moved", "not moved", "new session gone", "key gone"} {
		for _, verb := range []string{"update", "release"} {
			t.Run(state+", "+verb, func(t *testing.T) {
				d, l, to := afterUnknownMove(ctx, t, server.Servers[0].Addr, raw, state)
				if verb == "release" {
					err := d.ReleaseLeader(ctx, l)
					if lost := errors.Is(err, dcs.ErrLost); lost != (state == "key gone") || err != nil && !lost {
						t.Errorf("got %v", err)
					}
					if kv, err := d.get(ctx, d.leader); kv != nil || err != nil {
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
				if err != nil || updated.For != 45*time.Second {
					t.Fatalf("got %+v, %v", updated, err)
				}
				if reused := updated.ID == to; reused != (state != "new session gone") {
					t.Errorf("updated to %s, the move went to %s", updated.ID, to)
				}
				kv, err := d.get(ctx, d.leader)
				if err != nil || !d.heldBy(kv, updated.ID) {
					t.Errorf("the key is %+v, %v", kv, err)
				}
			})
		}
	}
}

// afterUnknownMove is a handle that asked for a move and never heard the answer.
func afterUnknownMove(ctx context.Context, t *testing.T, address string, raw *api.Client, state string) (*DCS, dcs.Lease, string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(Options{Address: address, Path: dcs.Path{Scope: t.Name()}, Name: "a", TTL: time.Minute})
	must(err)
	t.Cleanup(func() { d.Close() })
	l, err := d.AttemptToAcquireLeader(ctx)
	must(err)
	d.SetTTL(90 * time.Second)
	to, err := d.newGrant(ctx, "leader", 0)
	must(err)
	d.setMove(&move{from: l.ID, to: to})
	switch state {
	case "moved":
		_, err := d.carryOut(ctx, &move{from: l.ID, to: to}, grant{id: l.ID})
		must(err)
		d.setMove(&move{from: l.ID, to: to})
	case "new session gone":
		_, err := raw.Session().Destroy(to.id, nil)
		must(err)
	case "key gone":
		_, err := raw.KV().Delete(d.leader, nil)
		must(err)
	}
	return d, l, to.id
}
