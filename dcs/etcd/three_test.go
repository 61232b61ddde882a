package etcd_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// TestFaultsOfThree is what of the suite breaks something, against three servers:
// a link is to all of them, and a majority stands still or is restarted.
func TestFaultsOfThree(t *testing.T) {
	t.Parallel()
	dcstest.RunFaults(t, harness(startThree))
}

func startThree(tb testing.TB) dcstest.Store {
	server := testenv.Etcd(tb, testenv.EtcdOptions{Members: 3})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return open(tb, server, etcd.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			var all links
			var addrs []string
			for _, m := range server.Members {
				proxy := testenv.NewProxy(tb, m.Addr)
				all, addrs = append(all, testenv.Link{Proxy: proxy}), append(addrs, proxy.Addr)
			}
			return open(tb, server, etcd.Options{Endpoints: addrs, Path: o.Path, Name: o.Name, TTL: o.TTL}), all
		},
		Server: majority{storetest.Processes[*testenv.EtcdMember]{All: server.Members, Serve: func() { server.WaitHealthy(tb) }}},
	}
}

// Of three servers one that doesn't lead stands still: one request has time enough
// to ask the next.
func TestRequestIsEnoughForTheNextServer(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
	timing := dcs.Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second, RetryTimeout: 10 * time.Second}
	d := closing(t, server, etcd.Options{Name: "a", TTL: timing.TTL})
	l, leader := storetest.Life(t, d), leaderOf(t, server)
	for _, m := range server.Members {
		if m == leader {
			continue
		}
		m.Freeze()
		for range 6 { // more than servers, so that each is asked
			var err error
			if l, err = d.UpdateLeader(storetest.Within(t, timing.RequestTimeout()), l); err != nil {
				t.Fatalf("renew with one of three servers frozen: %v", err)
			}
		}
		m.Thaw()
		server.WaitHealthy(t)
	}
}

// links are cut together.
type links []testenv.Link

func (all links) each(do func(testenv.Link)) {
	for _, l := range all {
		do(l)
	}
}

func (all links) Hang()                 { all.each(testenv.Link.Hang) }
func (all links) Close()                { all.each(testenv.Link.Close) }
func (all links) HangReplies()          { all.each(testenv.Link.HangReplies) }
func (all links) Delay(d time.Duration) { all.each(func(l testenv.Link) { l.Delay(d) }) }
func (all links) Heal()                 { all.each(func(l testenv.Link) { l.Heal() }) }

// majority is an etcd of three whose leader and another one stand still.
type majority struct {
	storetest.Processes[*testenv.EtcdMember]
}

func (m majority) Freeze() {
	m.All[0].Freeze()
	m.All[1].Freeze()
}

func (m majority) Thaw() {
	m.All[0].Thaw()
	m.All[1].Thaw()
	m.Serve()
}

// leaderless are the ways in which etcd loses its leader and gets it back.
var leaderless = []struct {
	name       string
	fail, mend func(*testenv.EtcdMember)
	lasts      time.Duration
}{
	{"killed", (*testenv.EtcdMember).Kill, (*testenv.EtcdMember).Start, 0},
	{"frozen for longer than the TTL", (*testenv.EtcdMember).Freeze, (*testenv.EtcdMember).Thaw, shortTTL * 3 / 2},
	{"restarted", func(m *testenv.EtcdMember) { m.Kill(); m.Start() }, func(*testenv.EtcdMember) {}, 0},
}

// shortTTL is the shortest lease of clusters on etcd; its plan is what one pass
// of renewing has time for.
const shortTTL = 5 * time.Second

var shortTiming = dcs.Timing{TTL: shortTTL, LoopWait: time.Second, RetryTimeout: time.Second}

// One server of three is etcd's leader, and leads no more. No grant is lost,
// nothing is granted twice, and the time for renewing is enough: what one server
// doesn't answer the next is asked.
func TestLeaderOfThree(t *testing.T) {
	t.Parallel()
	for _, fault := range leaderless {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3})
			a := closing(t, server, etcd.Options{Name: "a", TTL: shortTTL})
			b := closing(t, server, etcd.Options{Name: "b", TTL: shortTTL})
			k := &keeper{T: t, d: a, lease: storetest.Life(t, a)}
			hints := b.Watch(storetest.Patient(t))
			<-hints
			leader := leaderOf(t, server)
			k.renew("before")
			fault.fail(leader)
			until := k.lease.Since.Add(fault.lasts)
			k.renew("with the leader " + fault.name)
			for k.lease.Since.Before(until) {
				storetest.SleepUntil(shortTiming.Plan(k.lease).Renew)
				k.renew("with the leader still " + fault.name)
			}
			if _, err := b.AttemptToAcquireLeader(storetest.Within(t, storetest.Patience)); !errors.Is(err, dcs.ErrHeld) {
				t.Errorf("another acquired: %v", err)
			}
			k.handOver(b, hints)
			fault.mend(leader)
			k.renew("with the leader back")
			server.WaitHealthy(t)
			k.renew("with all back")
			if s, err := a.Read(storetest.Patient(t)); err != nil || s.Leader == nil || s.Leader.Grant != k.lease.ID {
				t.Errorf("read %+v, %v; the lease is %+v", s, err, k.lease)
			}
		})
	}
}

// keeper holds the leader key by one handle.
type keeper struct {
	*testing.T
	d     *etcd.DCS
	lease dcs.Lease
}

// renew is what an agent does in one go: it asks until a request succeeds, each
// bounded as an agent's requests are, and no longer than the plan allows.
func (k *keeper) renew(when string) {
	k.Helper()
	plan := shortTiming.Plan(k.lease)
	for tries := 1; ; tries++ {
		l, err := k.d.UpdateLeader(storetest.Within(k.T, shortTiming.RequestTimeout()), k.lease)
		switch now := systemNow(); {
		case err == nil && l.ID != k.lease.ID:
			k.Fatalf("%s: the grant %s became %s", when, k.lease.ID, l.ID)
		case err == nil:
			k.lease = l
			return
		case errors.Is(err, dcs.ErrLost):
			k.Fatalf("%s: lost: %v", when, err)
		case now.After(plan.Timer):
			k.Fatalf("%s: %d requests until the agent would have stopped: %v", when, tries, err)
		}
	}
}

// handOver releases the key and takes it again by way of the other, whose watch
// hears of it.
func (k *keeper) handOver(other *etcd.DCS, hints <-chan struct{}) {
	k.Helper()
	for draining := true; draining; {
		select {
		case <-hints:
		case <-time.After(100 * time.Millisecond):
			draining = false
		}
	}
	if err := k.d.ReleaseLeader(storetest.Patient(k.T), k.lease); err != nil {
		k.Fatalf("release: %v", err)
	}
	select {
	case <-hints:
	case <-time.After(storetest.Patience):
		k.Fatal("the watch heard nothing of the release")
	}
	theirs, err := other.AttemptToAcquireLeader(storetest.Patient(k.T))
	if err != nil {
		k.Fatalf("the other acquires: %v", err)
	}
	if _, err := k.d.UpdateLeader(storetest.Patient(k.T), k.lease); !errors.Is(err, dcs.ErrLost) || !strings.Contains(err.Error(), "by b") {
		k.Errorf("renewed after the release: %v", err)
	}
	if err := other.ReleaseLeader(storetest.Patient(k.T), theirs); err != nil {
		k.Fatalf("the other releases: %v", err)
	}
	if k.lease, err = k.d.AttemptToAcquireLeader(storetest.Patient(k.T)); err != nil {
		k.Fatalf("acquire again: %v", err)
	}
}
