package etcd_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// restart kills a member and starts it again: a single one is elected anew, for
// the next raft term.
func restart(t *testing.T, server *testenv.EtcdCluster) {
	t.Helper()
	server.Members[0].Kill()
	server.Members[0].Start()
	server.WaitHealthy(t)
}

// Among the servers that were named is one of another store. Whichever answers
// first is ours; the other's answers never count, and are logged once.
func TestAnswersOfAnotherStoreDoNotCount(t *testing.T) {
	t.Parallel()
	one, other := testenv.Etcd(t, testenv.EtcdOptions{}), testenv.Etcd(t, testenv.EtcdOptions{})
	log := &told{}
	d := closing(t, one, etcd.Options{
		Name: "a", TTL: time.Minute, Endpoints: []string{one.Members[0].Addr, other.Members[0].Addr},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	l := storetest.Life(t, d)
	for range 10 {
		if s, err := d.Read(storetest.Patient(t)); err != nil || s.Leader == nil || s.Leader.Grant != l.ID {
			t.Fatalf("read %+v, holder %+v: %v", s, s.Leader, err)
		}
		var err error
		if l, err = d.UpdateLeader(storetest.Patient(t), l); err != nil {
			t.Fatal(err)
		}
		if _, err := d.AttemptToAcquireLeader(storetest.Patient(t)); !errors.Is(err, dcs.ErrHeld) {
			t.Fatalf("acquired again: %v", err)
		}
	}
	if n := strings.Count(log.all(), "is of another store"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, log.all())
	}
}

// A store that came back from before what was seen of it is no answer: here
// nobody leads in it, while the lease that it gave still runs.
func TestAnswersOfAnEarlierTermDoNotCount(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	restart(t, server)
	restart(t, server)
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
	l := storetest.Life(t, d)
	server.Members[0].Kill()
	server.Members[0].Wipe()
	server.Members[0].Start()
	server.WaitHealthy(t)
	want := func(what string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, dcs.ErrLost) || !strings.Contains(err.Error(), "or was restored from a backup: its raft term is ") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	_, err := d.UpdateLeader(storetest.Within(t, 3*time.Second), l)
	want("renew", err)
	_, err = d.Read(storetest.Within(t, 3*time.Second))
	want("read", err)
	// It counts again as soon as it has caught up.
	ctx, cancel := context.WithTimeout(context.Background(), 2*storetest.Patience)
	defer cancel()
	for _, err = d.Read(storetest.Within(t, time.Second)); err != nil; _, err = d.Read(storetest.Within(t, time.Second)) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		restart(t, server)
	}
}
