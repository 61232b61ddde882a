package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAgent is an agent whose server is a struct.
type fakeAgent struct {
	client *dcs.Client

	mu          sync.Mutex
	report      ha.Report
	refresh     func(ctx context.Context, r ha.Report) ha.Report
	decided     []ha.Decision
	viewed      []ha.Decision
	viewErr     error
	restart     func(ctx context.Context) error
	scheduled   ha.ScheduledRestart
	initialized []string
	initErr     error
	reloads     int
	wakes       int
	woken       func()
	pledged     []ha.PledgeRequest
	pledgeErr   error
}

func (a *fakeAgent) Report() ha.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report
}

func (a *fakeAgent) set(change func(r *ha.Report)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.report)
}

func (a *fakeAgent) Refresh(ctx context.Context) ha.Report {
	if a.refresh != nil {
		return a.refresh(ctx, a.Report())
	}
	return a.Report()
}

func (a *fakeAgent) Decisions() []ha.Decision { return a.decided }

func (a *fakeAgent) Views() ([]ha.Decision, error) { return a.viewed, a.viewErr }

func (a *fakeAgent) Restart(ctx context.Context) error {
	if a.restart != nil {
		return a.restart(ctx)
	}
	return nil
}

func (a *fakeAgent) ScheduleRestart(q ha.ScheduledRestart) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	free := a.scheduled.At.IsZero()
	if free {
		a.scheduled = q
	}
	return free
}

func (a *fakeAgent) UnscheduleRestart() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.scheduled
	a.scheduled = ha.ScheduledRestart{}
	return !was.At.IsZero()
}

func (a *fakeAgent) Reinitialize(_ context.Context, force, fromLeader bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.initialized = append(a.initialized, strings.Join([]string{text(force), text(fromLeader)}, " "))
	return a.initErr
}

func text(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

func (a *fakeAgent) Reload() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reloads++
}

func (a *fakeAgent) Pledge(_ context.Context, r ha.PledgeRequest) (ha.PledgeAnswer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pledgeErr == nil {
		a.pledged = append(a.pledged, r)
	}
	answer := ha.PledgeAnswer{LSN: uint64(a.report.Server.Location), Terms: ha.PledgeTerms{Giver: a.report.Name, Taker: r.Name}}
	if r.Terms != nil {
		answer.Terms = *r.Terms
	}
	return answer, a.pledgeErr
}

func (a *fakeAgent) Client() *dcs.Client { return a.client }

func (a *fakeAgent) Wake() {
	a.mu.Lock()
	a.wakes++
	woken := a.woken
	a.mu.Unlock()
	if woken != nil {
		woken()
	}
}

// fakeClock stands still unless it is moved. Its timers are the machine's.
type fakeClock struct {
	clock.Clock
	mu  sync.Mutex
	now clock.Instant
}

func (c *fakeClock) Now() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// noon is when tests happen.
const noon = clock.Instant(1000 * time.Hour)

// node is a served fake agent.
type node struct {
	agent  *fakeAgent
	clock  *fakeClock
	store  *memory.Store
	server *Server
	url    string
}

// newNode serves an agent called a over loopback until the test ends.
func newNode(tb testing.TB, change ...func(o *Options)) *node {
	tb.Helper()
	return newNodeIn(tb, memory.NewStore(nil), "a", change...)
}

func newNodeIn(tb testing.TB, store *memory.Store, name string, change ...func(o *Options)) *node {
	tb.Helper()
	handle, err := store.Open(memory.Options{Path: dcs.Path{Scope: "demo"}, Name: name})
	if err != nil {
		tb.Fatal(err)
	}
	n := &node{
		agent: &fakeAgent{client: dcs.NewClient(handle, dcs.ClientOptions{})},
		clock: &fakeClock{Clock: clock.System(), now: noon},
		store: store,
	}
	n.agent.report = ha.Report{Name: name}
	o := Options{
		Agent: n.agent, Peers: newClient(tb, ClientOptions{}), Clock: n.clock,
		Name: name, Scope: "demo", Release: "0.1.0", Listen: "127.0.0.1:0",
	}
	for _, c := range change {
		c(&o)
	}
	if n.server, err = New(o); err != nil {
		tb.Fatal(err)
	}
	scheme := "http://"
	if o.TLS.CertFile != "" {
		scheme = "https://"
	}
	n.url = scheme + n.server.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.server.Serve(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return n
}

func newClient(tb testing.TB, o ClientOptions) *Client {
	tb.Helper()
	c, err := NewClient(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// response is an answer that was read.
type response struct {
	status int
	body   string
	header http.Header
}

// do asks the node; the header is given in pairs of name and value.
func (n *node) do(tb testing.TB, method, path, body string, header ...string) response {
	tb.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, n.url+path, reader)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	got, err := client.Do(request)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer got.Body.Close()
	read, err := io.ReadAll(got.Body)
	if err != nil {
		tb.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return response{got.StatusCode, string(read), got.Header}
}

// expect asks the node and compares status and body.
func (n *node) expect(tb testing.TB, method, path, body string, status int, answer string) {
	tb.Helper()
	if got := n.do(tb, method, path, body); got.status != status || got.body != answer {
		tb.Errorf("%s %s %s: %d %q, want %d %q", method, path, body, got.status, got.body, status, answer)
	}
}

// healthy is a report of now, of a cluster that could just be read.
func healthy(change ...func(r *ha.Report)) ha.Report {
	r := ha.Report{
		Name: "a", Known: true, Readable: true, ReadAt: noon, CycleAt: noon, NextAt: noon.Add(10 * time.Second),
		LastSeen: time.Unix(1700000000, 0),
		Cluster:  dcs.Cluster{Leader: &dcs.Holder{Name: "b"}, Status: dcs.Status{Optime: 2000}},
		Settings: ha.DefaultSettings(),
		Member:   dcs.Member{Name: "a", State: "running", Role: "replica"},
		Server: postgres.Status{
			State: postgres.StateRunning, Role: postgres.RoleReplica, Data: postgres.DataValid, ServerVersion: 150020,
			SystemID: "7300000000000000001", Timeline: 4, StartedAt: time.Unix(1699999000, 887218000),
			Location: 2000, Received: 2000, Replayed: 1900,
			Receiver: &postgres.Receiver{Streaming: true, Timeline: 4, LatestEnd: 2000},
		},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func asPrimary(r *ha.Report) {
	r.Server.Role, r.Server.Receiver, r.Server.Received, r.Server.Replayed = postgres.RolePrimary, nil, 0, 0
	r.Member.Role = "primary"
	r.Cluster.Leader = &dcs.Holder{Name: "a"}
	r.LeadsUntil = noon.Add(20 * time.Second)
}

func withoutLease(r *ha.Report) { r.LeadsUntil = noon.Add(-time.Second) }

func withoutView(r *ha.Report) { r.Readable = false }

func paused(r *ha.Report) { r.Settings.Pause = true }

func synchronous(mode ha.SynchronousMode) func(*ha.Report) {
	return func(r *ha.Report) {
		r.Settings.SynchronousMode = mode
		r.Cluster.Sync = dcs.Sync{Leader: "b", Members: []string{"A"}}
	}
}

func standbyCluster(r *ha.Report) {
	r.Settings.StandbyCluster = map[string]any{"host": "elsewhere"}
}

var errFake = errors.New("it was told to fail")
