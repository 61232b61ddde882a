package ctl

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// today is when the tests happen.
var today = time.Date(2026, 11, 23, 12, 30, 45, 123456789, time.FixedZone("", 3600))

// fakeAgent does what it is asked for at once, and says so in the store.
type fakeAgent struct {
	name    string
	cluster *fakeCluster
	client  *dcs.Client

	mu      sync.Mutex
	report  ha.Report
	decided []ha.Decision
	viewed  []ha.Decision
	refuses error // of restart and reinitialize
	later   ha.ScheduledRestart
}

func (a *fakeAgent) Report() ha.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report
}

func (a *fakeAgent) Refresh(context.Context) ha.Report { return a.Report() }
func (a *fakeAgent) Decisions() []ha.Decision          { return a.decided }
func (a *fakeAgent) Views() ([]ha.Decision, error)     { return a.viewed, nil }
func (a *fakeAgent) Restart(context.Context) error     { return a.refuses }
func (a *fakeAgent) Client() *dcs.Client               { return a.client }

func (a *fakeAgent) ScheduleRestart(q ha.ScheduledRestart) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	free := a.later.At.IsZero()
	if free {
		a.later = q
	}
	return free
}

func (a *fakeAgent) UnscheduleRestart() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.later
	a.later = ha.ScheduledRestart{}
	return !was.At.IsZero()
}

func (a *fakeAgent) Reload() {}

func (a *fakeAgent) Reinitialize(_ context.Context, force, _ bool) error {
	if force {
		return nil
	}
	return a.refuses
}

func (a *fakeAgent) Pledge(context.Context, ha.PledgeRequest) (ha.PledgeAnswer, error) {
	return ha.PledgeAnswer{}, errors.New("nobody asks for it here")
}

// Wake carries out a request for another leader.
func (a *fakeAgent) Wake() { a.cluster.obey() }

// fakeCluster is members with a REST API each, in one store.
type fakeCluster struct {
	tb      testing.TB
	store   *memory.Store
	agents  map[string]*fakeAgent
	entries map[string]dcs.Member
	leader  string
	lease   dcs.Lease
	obeys   bool // a request is carried out, else it is cleared
	mu      sync.Mutex
}

// newCluster serves members until the test ends. The first leads.
func newCluster(tb testing.TB, config map[string]any, members ...dcs.Member) *fakeCluster {
	tb.Helper()
	c := &fakeCluster{tb: tb, store: memory.NewStore(nil), agents: map[string]*fakeAgent{}, entries: map[string]dcs.Member{}, obeys: true}
	client, err := rest.NewClient(rest.ClientOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range members {
		c.join(m, client)
	}
	c.leader = members[0].Name
	a := c.agents[c.leader]
	ctx := context.Background()
	if c.lease, err = a.client.Acquire(ctx); err != nil {
		tb.Fatal(err)
	}
	if config != nil {
		if _, err := a.client.PutConfig(ctx, config, dcs.Absent); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := a.client.PutInitialize(ctx, "7300000000000000001", dcs.Absent); err != nil {
		tb.Fatal(err)
	}
	c.write(dcs.StatusKey, `{"optime":67109192}`)
	return c
}

func (c *fakeCluster) join(m dcs.Member, peers ha.Peers) {
	c.tb.Helper()
	handle, err := c.store.Open(memory.Options{Path: dcs.Path{Scope: "shop"}, Name: m.Name})
	if err != nil {
		c.tb.Fatal(err)
	}
	a := &fakeAgent{name: m.Name, cluster: c, client: dcs.NewClient(handle, dcs.ClientOptions{})}
	role := postgres.RoleReplica
	if m.Role == "primary" {
		role = postgres.RolePrimary
	}
	now := clock.System().Now()
	a.report = ha.Report{Name: m.Name, Known: true, Readable: true, ReadAt: now, CycleAt: now, NextAt: now.Add(time.Hour),
		Member: m, Settings: ha.DefaultSettings(),
		Server: postgres.Status{State: postgres.StateRunning, Role: role, ServerVersion: 150020, Timeline: 4, Location: 67109192, Pending: map[string]postgres.Change{}}}
	for name, change := range m.PendingRestart {
		a.report.Server.Pending[name] = postgres.Change{Old: change.Old, New: change.New}
	}
	server, err := rest.New(rest.Options{Agent: a, Peers: peers, Name: m.Name, Scope: "shop", Release: "0.1.0", Listen: "127.0.0.1:0"})
	if err != nil {
		c.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	c.tb.Cleanup(func() { cancel(); <-ended })
	if m.APIURL == "" {
		m.APIURL = "http://" + server.Addr().String() + "/patroni"
	}
	c.agents[m.Name] = a
	c.touch(m)
}

func (c *fakeCluster) touch(m dcs.Member) {
	c.tb.Helper()
	c.entries[m.Name] = m
	if err := c.agents[m.Name].client.Touch(context.Background(), m); err != nil {
		c.tb.Error(err)
	}
}

// write changes a document that only a leader writes.
func (c *fakeCluster) write(key dcs.Key, value string) {
	c.tb.Helper()
	_, err := c.agents[c.leader].client.Renew(context.Background(), c.lease, dcs.Write{Key: key, Value: []byte(value), Prev: dcs.Any})
	if err != nil {
		c.tb.Fatal(err)
	}
}

func (c *fakeCluster) obey() {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx := context.Background()
	leader := c.agents[c.leader]
	view, err := leader.client.Read(ctx)
	if err != nil || !view.Failover.Requested() || !view.Failover.ScheduledAt.IsZero() {
		return
	}
	if c.obeys {
		next := view.Failover.Candidate
		for _, m := range view.Members {
			if next == "" && m.Name != c.leader {
				next = m.Name
			}
		}
		c.swap(ctx, next)
	}
	if _, err := leader.client.PutFailover(ctx, dcs.Failover{}, dcs.Any); err != nil {
		c.tb.Error(err)
	}
}

// swap makes next the leader.
func (c *fakeCluster) swap(ctx context.Context, next string) {
	if err := c.agents[c.leader].client.Release(ctx, c.lease); err != nil {
		c.tb.Error(err)
	}
	before, after := c.entries[c.leader], c.entries[next]
	before.Role, after.Role = "replica", "primary"
	before.ReplicationState, after.ReplicationState = "streaming", ""
	before.ReceiveLSN, before.ReplayLSN = 67109192, 67109192
	c.touch(before)
	c.touch(after)
	var err error
	if c.lease, err = c.agents[next].client.Acquire(ctx); err != nil {
		c.tb.Error(err)
	}
	c.leader = next
}

// member is a replica that streams.
func member(name, host string, change ...func(m *dcs.Member)) dcs.Member {
	m := dcs.Member{Name: name, ConnURL: "postgres://" + host + "/postgres", State: "running", Role: "replica", Version: "4.1.4", Regent: "0.1.0",
		Timeline: 4, ReplicationState: "streaming", Location: 67109192, ReceiveLSN: 67109192, ReplayLSN: 67109192}
	for _, c := range change {
		c(&m)
	}
	return m
}

func leads(m *dcs.Member) {
	m.Role, m.ReplicationState, m.ReceiveLSN, m.ReplayLSN = "primary", "", 0, 0
}

func tagged(tags dcs.Tags) func(*dcs.Member) { return func(m *dcs.Member) { m.Tags = tags } }

func stopped(m *dcs.Member) {
	m.State, m.Timeline, m.ReplicationState, m.ReceiveLSN, m.ReplayLSN, m.Location = "stopped", 0, "", 0, 0, 0
}

// shop is the usual cluster.
func shop(tb testing.TB) *fakeCluster {
	return newCluster(tb, map[string]any{"ttl": 30, "loop_wait": 10},
		member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"), member("db-c", "10.9.0.3", stopped))
}
