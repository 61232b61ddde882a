package etcd_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestFrozenEndpointIsLeft(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute, AttemptTimeout: 500 * time.Millisecond})
	l := storetest.Life(t, d)
	hints := d.Watch(storetest.Patient(t))
	<-hints
	for _, m := range server.Members {
		m.Freeze()
		for range 6 { // more than endpoints, so that each is asked
			var err error
			if l, err = d.UpdateLeader(storetest.Within(t, storetest.Patience), l); err != nil {
				t.Fatalf("renew with one of three servers frozen: %v", err)
			}
		}
		m.Thaw()
		server.WaitHealthy(t)
	}
	select {
	case <-hints:
	default:
	}
	ctx := storetest.Patient(t)
	if _, err := d.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints: // whichever server the watch was on
	case <-ctx.Done():
		t.Error("the watch is dead")
	}
}

// told collects what a handle logs.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *told) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *told) last() string {
	lines := strings.Split(strings.TrimSpace(w.all()), "\n")
	return lines[len(lines)-1]
}

func discovering(t *testing.T, server *testenv.EtcdCluster) (*etcd.DCS, *told) {
	t.Helper()
	log := &told{}
	return closing(t, server, etcd.Options{
		Name: "a", TTL: 30 * time.Second, AttemptTimeout: 500 * time.Millisecond, Endpoints: server.Endpoints()[:1],
		Discover: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}), log
}

// logs waits for a last line with all of those and none of these.
func (w *told) logs(t *testing.T, all, none []string) {
	t.Helper()
	testenv.Eventually(t, storetest.Patience, fmt.Sprintf("a line with %v and without %v", all, none), func() error {
		line := w.last()
		in := func(s string) bool { return strings.Contains(line, s) }
		if slices.ContainsFunc(none, in) || slices.ContainsFunc(all, func(s string) bool { return !in(s) }) {
			return fmt.Errorf("logged %q", line)
		}
		return nil
	})
}

// A handle that was given one server of three forgets one that leaves the cluster,
// and goes on with the others when its own dies.
func TestServersAreDiscovered(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	addrs := server.Endpoints()
	d, log := discovering(t, server)
	l := storetest.Life(t, d)
	log.logs(t, addrs, nil)
	renew := func(when string) {
		t.Helper()
		for range 3 {
			var err error
			if l, err = d.UpdateLeader(storetest.Within(t, storetest.Patience), l); err != nil {
				t.Fatalf("renew %s: %v", when, err)
			}
		}
	}
	server.Members[0].Kill()
	renew("without the server that was named")
	server.Members[0].Start()
	server.WaitHealthy(t)

	raw := server.Client(t, addrs[1])
	members, err := raw.MemberList(storetest.Patient(t))
	if err != nil {
		t.Fatal(err)
	}
	gone := slices.IndexFunc(members.Members, func(m *etcdserverpb.Member) bool { return m.ClientURLs[0] == "http://"+addrs[2] })
	// Refused until each has been connected to the others for a while.
	testenv.Eventually(t, storetest.Patience, "a server to leave", func() error {
		_, err := raw.MemberRemove(storetest.Within(t, time.Second), members.Members[gone].ID)
		return err
	})
	log.logs(t, addrs[:2], addrs[2:])
	renew("after a server left")
}

// What a server advertises and leads to another store isn't used.
func TestAdvertisedForeignStoreIsNotUsed(t *testing.T) {
	t.Parallel()
	other := testenv.Etcd(t, testenv.EtcdOptions{}).Endpoints()
	server := testenv.Etcd(t, testenv.EtcdOptions{Args: []string{"--advertise-client-urls", "http://" + other[0]}})
	d, log := discovering(t, server)
	storetest.Life(t, d)
	log.logs(t, append(other, "leads to another store"), nil)
	for range 4 {
		if s, err := d.Read(storetest.Patient(t)); err != nil || s.Leader == nil {
			t.Fatalf("read %+v: %v", s, err)
		}
	}
}

// A server's leader that was deposed while it stood still answers a keep-alive
// from its memory before it hears of its successor, who counts the lease from its
// own election on. Several members try: who wins that race is chance.
func TestDeposedLeaderExtendsNothing(t *testing.T) {
	t.Parallel()
	const ttl, members = 4 * time.Second, 6
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	deposed := leaderOf(t, server)
	var handles []*etcd.DCS
	var leases []dcs.Lease
	for i := range members {
		o := etcd.Options{Path: dcs.Path{Scope: fmt.Sprint("demo-", i)}, Name: "a", TTL: ttl, Endpoints: []string{deposed.Addr}}
		d := closing(t, server, o)
		l, err := d.AttemptToAcquireLeader(storetest.Patient(t))
		if err != nil {
			t.Fatal(err)
		}
		handles, leases = append(handles, d), append(leases, l)
	}
	deposed.Freeze()
	others := server.Client(t, otherAddrs(server, deposed)...)
	testenv.Eventually(t, storetest.Patience, "another leader", func() error {
		_, err := others.Get(storetest.Within(t, 200*time.Millisecond), "/")
		return err
	})
	// Late in the leases the renewals are sent, and wait in the socket.
	first := leases[0].Since
	storetest.SleepUntil(first.Add(ttl * 7 / 10))
	var renewing sync.WaitGroup
	for i, d := range handles {
		renewing.Go(func() {
			l, err := d.UpdateLeader(storetest.Patient(t), leases[i])
			if err != nil {
				t.Errorf("renew: %v; a slow machine?", err)
			}
			leases[i] = l
		})
	}
	storetest.SleepUntil(first.Add(ttl * 8 / 10))
	deposed.Thaw()
	renewing.Wait()
	for i, l := range leases {
		renewing.Go(func() { wantHeldToItsEnd(t, others, fmt.Sprintf("/service/demo-%d/leader", i), l) })
	}
	renewing.Wait()
}

// wantHeldToItsEnd looks at the key until shortly before the end of its lease.
func wantHeldToItsEnd(t *testing.T, raw *clientv3.Client, key string, l dcs.Lease) {
	now := systemNow
	for now().Before(l.End().Add(-l.For / 20)) {
		answer, err := raw.Get(storetest.Patient(t), key)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			return
		}
		if left := l.End().Sub(now()); answer.Count == 0 && left > 0 {
			t.Errorf("%s went %v before the end of the lease %+v", key, left, l)
			return
		}
		storetest.SleepUntil(now().Add(100 * time.Millisecond))
	}
}

func systemNow() clock.Instant { return clock.System().Now() }

func leaderOf(t *testing.T, server *testenv.EtcdCluster) *testenv.EtcdMember {
	t.Helper()
	raw := server.Client(t)
	for _, m := range server.Members {
		status, err := raw.Status(storetest.Patient(t), m.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			return m
		}
	}
	t.Fatal("no member leads")
	return nil
}

func otherAddrs(server *testenv.EtcdCluster, but *testenv.EtcdMember) (addrs []string) {
	for _, m := range server.Members {
		if m != but {
			addrs = append(addrs, m.Addr)
		}
	}
	return addrs
}
