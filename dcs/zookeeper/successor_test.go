package zookeeper

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// Somebody deletes the key alone while its holder's session lives, and another
// takes it: whatever the holder still asks for changes nothing of its successor's,
// though it knows no better than before.
func TestKeyDeletedByHand(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	raw := server.Client(t)
	for name, acquire := range map[string]func(*testing.T, *DCS){
		"taken by a member": func(t *testing.T, d *DCS) {
			b := handle(t, server, "b")
			l, err := b.AttemptToAcquireLeader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if _, err := b.UpdateLeader(context.Background(), l); err != nil {
					t.Errorf("the successor's renewal: %v", err)
				}
			})
		},
		"taken by Patroni": func(t *testing.T, d *DCS) { // as it does
			if _, err := raw.Create(d.leader, []byte("b"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for verb, late := range map[string]func(context.Context, *DCS, dcs.Lease) error{
			"first renewal": func(ctx context.Context, d *DCS, l dcs.Lease) error {
				_, err := d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any})
				return err
			},
			"move": func(ctx context.Context, d *DCS, l dcs.Lease) error {
				d.SetTTL(2 * time.Minute)
				_, err := d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any})
				return err
			},
			"release": func(ctx context.Context, d *DCS, l dcs.Lease) error {
				return d.ReleaseLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any})
			},
		} {
			t.Run(name+", "+verb, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				a := handle(t, server, "a")
				l, err := a.AttemptToAcquireLeader(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := raw.Delete(a.leader, -1); err != nil {
					t.Fatal(err)
				}
				acquire(t, a)
				before, err := a.Read(ctx)
				if err != nil || before.Leader == nil || before.Leader.Name != "b" {
					t.Fatalf("read %+v, holder %+v, %v", before, before.Leader, err)
				}
				_, stat, err := raw.Get(a.leader)
				if err != nil {
					t.Fatal(err)
				}
				var refused *dcs.RefusedError
				if err := late(ctx, a, l); !errors.Is(err, dcs.ErrLost) || !errors.As(err, &refused) || refused.Holder == nil || refused.Holder.Name != "b" {
					t.Errorf("got %v, want ErrLost to b", err)
				}
				after, err := a.Read(ctx)
				if err != nil || after.Leader == nil || *after.Leader != *before.Leader || len(after.Documents) > 0 {
					t.Errorf("read %+v, holder %+v, %v", after, after.Leader, err)
				}
				if value, now, err := raw.Get(a.leader); err != nil || string(value) != "b" || *now != *stat {
					t.Errorf("the key's node became %q %+v, was %+v, %v", value, now, stat, err)
				}
			})
		}
	}
}

// An earlier holder moves its key after its successor looked for what is left of
// others, and the key is deleted before the successor takes it. Nothing that the
// earlier one may still write is written once the successor has its lease.
func TestKeyMovedAndDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	raw := server.Client(t)
	for name, writes := range map[string]bool{"silent": false, "writes meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			a, b := handle(t, server, "a"), handle(t, server, "b")
			old, err := a.AttemptToAcquireLeader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Delete(a.leader, -1); err != nil {
				t.Fatal(err)
			}
			c, err := b.prepare(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.multi(ctx, b.createKey(b.candidate.grant)...); err != nil { // and saw nothing left
				t.Fatal(err)
			}
			if writes {
				if _, err := a.UpdateLeader(ctx, old); !errors.Is(err, dcs.ErrLost) {
					t.Errorf("the earlier holder's renewal: %v, want ErrLost", err)
				}
				if _, err := b.AttemptToAcquireLeader(ctx); !errors.Is(err, dcs.ErrHeld) {
					t.Errorf("got %v for a key that was written on, want ErrHeld", err)
				}
			}
			l, err := b.AttemptToAcquireLeader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			late := dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any}
			if _, err := a.UpdateLeader(ctx, old, late); !errors.Is(err, dcs.ErrLost) {
				t.Errorf("the earlier holder's late renewal: %v, want ErrLost", err)
			}
			if l, err = b.UpdateLeader(ctx, l); err != nil {
				t.Fatal(err)
			}
			if s, err := b.Read(ctx); err != nil || s.Leader == nil || s.Leader.Name != "b" || s.Leader.Grant != l.ID || len(s.Documents) > 0 {
				t.Errorf("read %+v, holder %+v, %v", s, s.Leader, err)
			}
		})
	}
}
