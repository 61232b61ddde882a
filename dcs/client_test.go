package dcs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, store *memory.Store, name string) *memory.DCS {
	t.Helper()
	d, err := store.Open(memory.Options{Path: dcs.Path{Scope: "demo"}, Name: name, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestClient(t *testing.T) {
	store, ctx := memory.NewStore(nil), context.Background()
	a, b := dcs.NewClient(open(t, store, "a"), dcs.ClientOptions{}), dcs.NewClient(open(t, store, "b"), dcs.ClientOptions{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	initialize, err := a.PutInitialize(ctx, "", dcs.Absent)
	must(err)
	if _, err := b.PutInitialize(ctx, "", dcs.Absent); !errors.Is(err, dcs.ErrConflict) {
		t.Errorf("the second to bootstrap: %v", err)
	}
	_, err = a.PutInitialize(ctx, "7711159760801012928", initialize)
	must(err)
	_, err = a.PutConfig(ctx, map[string]any{"ttl": 30, "name": "ü"}, dcs.Absent)
	must(err)
	_, err = b.PutFailover(ctx, dcs.Failover{Leader: "a", Candidate: "b"}, dcs.Any)
	must(err)
	must(a.Touch(ctx, dcs.Member{State: "running", Role: "primary"}))
	l, err := a.Acquire(ctx)
	must(err)
	if _, err := b.Acquire(ctx); !errors.Is(err, dcs.ErrHeld) {
		t.Errorf("the other's acquire: %v", err)
	}
	status, err := dcs.Status{Optime: 5}.MarshalJSON()
	must(err)
	l, err = a.Renew(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: status, Prev: dcs.Any})
	must(err)

	c, err := b.Read(ctx)
	must(err)
	if c.LeaderName() != "a" || c.Leader.Grant != l.ID || c.Config.Values["ttl"] != 30 || c.Config.Values["name"] != "ü" ||
		c.Failover.Candidate != "b" || c.Status.Optime != 5 || len(c.Members) != 1 || !dcs.ValidSystemID(c.Initialize.SystemID) || len(c.Problems) > 0 {
		t.Errorf("read %+v", c)
	}
	must(b.Delete(ctx, dcs.FailoverKey, c.Failover.Version))
	must(b.Delete(ctx, dcs.MemberKey("a"), dcs.Any))
	resumed, err := a.Resume(ctx, l.ID)
	must(err)
	must(a.Release(ctx, resumed))
	must(b.RemoveCluster(ctx))
	if c, err := b.Read(ctx); err != nil || len(c.Members) > 0 || c.Initialize.Present || !c.Unlocked() {
		t.Errorf("after RemoveCluster: %+v, %v", c, err)
	}
	must(a.Close())
}

func TestClientRefusesWhatWouldBreakTheLease(t *testing.T) {
	store, ctx := memory.NewStore(nil), context.Background()
	a := dcs.NewClient(open(t, store, "a"), dcs.ClientOptions{})
	l, err := a.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	x := []byte("x")
	for _, key := range []dcs.Key{dcs.LeaderKey, dcs.StatusKey, dcs.HistoryKey, dcs.SyncKey, dcs.FailsafeKey, dcs.OptimeKey, dcs.MemberKey("a"), "", "other"} {
		if _, err := a.Put(ctx, dcs.Write{Key: key, Value: x, Prev: dcs.Any}); !errors.Is(err, dcs.ErrNotAllowed) || !strings.Contains(err.Error(), string(key)) {
			t.Errorf("Put %q: %v", key, err)
		}
		if _, member := key.MemberName(); member {
			continue
		}
		if err := a.Delete(ctx, key, dcs.Any); !errors.Is(err, dcs.ErrNotAllowed) {
			t.Errorf("Delete %q: %v", key, err)
		}
		if _, err := a.Put(ctx, dcs.Write{Key: key, Prev: dcs.Any}); !errors.Is(err, dcs.ErrNotAllowed) {
			t.Errorf("Put nil %q: %v", key, err)
		}
	}
	for what, docs := range map[string][]dcs.Write{
		"the leader key":   {{Key: dcs.LeaderKey, Value: x}},
		"a member's entry": {{Key: dcs.MemberKey("b"), Value: x}},
		"no key":           {{Value: x}},
		"the same twice":   {{Key: dcs.StatusKey, Value: x, Prev: dcs.Any}, {Key: dcs.StatusKey, Prev: dcs.Any}},
	} {
		if _, err := a.Renew(ctx, l, docs...); !errors.Is(err, dcs.ErrNotAllowed) {
			t.Errorf("Renew with %s: %v", what, err)
		}
		if err := a.Release(ctx, l, docs...); !errors.Is(err, dcs.ErrNotAllowed) {
			t.Errorf("Release with %s: %v", what, err)
		}
	}
	if _, err := a.PutInitialize(ctx, "12", dcs.Any); err == nil {
		t.Error("12 is a system identifier")
	}
	if c, err := a.Read(ctx); err != nil || c.LeaderName() != "a" {
		t.Errorf("afterwards: %+v, %v", c, err)
	}
}

// silent never answers.
type silent struct{ dcs.DCS }

func (silent) Read(ctx context.Context) (dcs.Snapshot, error) {
	<-ctx.Done()
	return dcs.Snapshot{}, ctx.Err()
}

func (silent) UpdateLeader(ctx context.Context, _ dcs.Lease, _ ...dcs.Write) (dcs.Lease, error) {
	<-ctx.Done()
	return dcs.Lease{}, ctx.Err()
}

func TestClientBoundsEveryCall(t *testing.T) {
	c := dcs.NewClient(silent{}, dcs.ClientOptions{RequestTimeout: 20 * time.Millisecond})
	if _, err := c.Read(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
	if _, err := c.Renew(context.Background(), dcs.Lease{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Renew: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Read(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read with a cancelled context: %v", err)
	}
}
