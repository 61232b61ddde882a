package rest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/ha"
)

// party is a cluster of served fake agents in one store. The one called a leads.
type party struct {
	store *memory.Store
	nodes map[string]*node
	lease dcs.Lease
}

// newParty makes the cluster; tags are those of each member, by name.
func newParty(t *testing.T, config map[string]any, tags map[string]dcs.Tags) *party {
	t.Helper()
	p := &party{store: memory.NewStore(nil), nodes: map[string]*node{}}
	ctx := within(t, 10*time.Second)
	for name, tag := range tags {
		n := newNodeIn(t, p.store, name)
		n.agent.report = healthy(func(r *ha.Report) { r.Name, r.Member.Tags = name, tag })
		p.nodes[name] = n
		p.touch(t, name, "replica")
	}
	a := p.nodes["a"]
	a.agent.set(asPrimary)
	p.touch(t, "a", "primary")
	var err error
	if p.lease, err = a.agent.client.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := a.agent.client.PutConfig(ctx, config, dcs.Absent); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *party) touch(t *testing.T, name, role string) {
	t.Helper()
	n := p.nodes[name]
	r := n.agent.Report()
	m := dcs.Member{Name: name, APIURL: n.url + "/patroni", ConnURL: "postgres://127.0.0.1:5432/postgres", State: "running", Role: role,
		Tags: r.Member.Tags, Timeline: 4, Location: 1900, ReceiveLSN: 2000, ReplayLSN: 1900, ReplicationState: "streaming", Version: "4.1.4"}
	if role == "primary" {
		m.ReceiveLSN, m.ReplayLSN, m.ReplicationState = 0, 0, ""
	}
	if err := n.agent.client.Touch(within(t, 10*time.Second), m); err != nil {
		t.Error(err)
	}
}

func (p *party) read(t *testing.T) dcs.Cluster {
	t.Helper()
	c, err := p.nodes["a"].agent.client.Read(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sync makes the members named synchronous.
func (p *party) sync(t *testing.T, names ...string) {
	t.Helper()
	value, err := dcs.Sync{Leader: "a", Members: names}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, dcs.SyncKey, string(value))
}

// write changes a document that only the leader writes.
func (p *party) write(t *testing.T, key dcs.Key, value string) {
	t.Helper()
	_, err := p.nodes["a"].agent.client.Renew(within(t, 10*time.Second), p.lease, dcs.Write{Key: key, Value: []byte(value), Prev: dcs.Any})
	if err != nil {
		t.Fatal(err)
	}
}

// obey makes the leader do what the next request asks for: successor leads then,
// or nobody, and the request is cleared.
func (p *party) obey(t *testing.T, successor string) {
	var once sync.Once
	for _, n := range p.nodes {
		n.agent.woken = func() { once.Do(func() { go p.succeed(t, successor) }) }
	}
}

func (p *party) succeed(t *testing.T, successor string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if successor == "" {
		if _, err := p.nodes["a"].agent.client.PutFailover(ctx, dcs.Failover{}, dcs.Any); err != nil {
			t.Error(err)
		}
		return
	}
	if err := p.nodes["a"].agent.client.Release(ctx, p.lease); err != nil {
		t.Error(err)
	}
	next := p.nodes[successor].agent.client
	if _, err := next.Acquire(ctx); err != nil {
		t.Error(err)
	}
	if _, err := next.PutFailover(ctx, dcs.Failover{}, dcs.Any); err != nil {
		t.Error(err)
	}
	p.touch(t, successor, "primary")
}

func members(names ...string) map[string]dcs.Tags {
	tags := map[string]dcs.Tags{}
	for _, name := range names {
		tags[name] = nil
	}
	return tags
}

func TestSwitchoverChecks(t *testing.T) {
	on := map[string]any{"synchronous_mode": true}
	quorum := map[string]any{"synchronous_mode": "quorum"}
	pause := map[string]any{"pause": true}
	past, later := "2020-01-01T00:00:00+00:00", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		path, body string
		config     map[string]any
		sync       string
		members    map[string]dcs.Tags
		status     int
		text       string
	}{
		{"/failover", `{"leader": "a"}`, nil, "", nil, 400, "Failover could be performed only to a specific candidate"},
		{"/switchover", `{"candidate": "b"}`, nil, "", nil, 400, "Switchover could be performed only from a specific leader"},
		{"/switchover", `{"scheduled_at": "nonsense"}`, pause, "", nil, 400, "Switchover could be performed only from a specific leader"},
		{"/failover", `{"candidate": "b", "scheduled_at": "` + later + `"}`, nil, "", nil, 400, "Failover can't be scheduled"},
		{"/switchover", `{"leader": "a", "scheduled_at": "nonsense"}`, pause, "", nil, 400, "Can't schedule switchover in the paused state"},
		{"/switchover", `{"leader": "a", "scheduled_at": "nonsense"}`, nil, "", nil, 422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"},
		{"/switchover", `{"leader": "a", "scheduled_at": "2099-01-01T00:00"}`, nil, "", nil, 400, "Timezone information is mandatory for the scheduled switchover"},
		{"/switchover", `{"leader": "a", "scheduled_at": "` + past + `"}`, nil, "", nil, 422, "Cannot schedule switchover in the past"},
		{"/switchover", `{"leader": "a"}`, pause, "", nil, 400, "Switchover is possible only to a specific candidate in a paused state"},
		{"/switchover", `{"leader": "a", "candidate": "a"}`, nil, "", nil, 400, "Switchover target and source are the same"},
		{"/failover", `{"leader": "a", "candidate": "a"}`, nil, "", nil, 400, "Switchover target and source are the same"},
		{"/switchover", `{"leader": "b", "candidate": "x"}`, nil, "", nil, 412, "leader name does not match"},
		{"/switchover", `{"leader": "a", "candidate": "b"}`, on, "c", members("a", "b", "c"), 412, "candidate name does not match with sync_standby"},
		{"/switchover", `{"leader": "a", "candidate": "x"}`, nil, "", nil, 412, "candidate does not exists"},
		{"/switchover", `{"leader": "a", "candidate": "x"}`, quorum, "b", nil, 412, "candidate does not exists"},
		{"/switchover", `{"leader": "a"}`, on, "x", nil, 412, "switchover is not possible: can not find sync_standby"},
		{"/switchover", `{"leader": "a"}`, nil, "", members("a"), 412, "switchover is not possible: cluster does not have members except leader"},
		{"/switchover", `{"leader": "a"}`, nil, "", map[string]dcs.Tags{"a": nil, "b": {"nofailover": true}}, 412, "switchover is not possible: no good candidates have been found"},
		{"/failover", `{"candidate": "b"}`, nil, "", map[string]dcs.Tags{"a": nil, "b": {"nofailover": true}}, 412, "failover is not possible: no good candidates have been found"},
	} {
		t.Run(c.path+c.body, func(t *testing.T) {
			if c.members == nil {
				c.members = members("a", "b")
			}
			p := newParty(t, c.config, c.members)
			if c.sync != "" {
				p.sync(t, c.sync)
			}
			for _, n := range p.nodes { // any member takes the request
				n.expect(t, "POST", c.path, c.body, c.status, c.text)
			}
			if f := p.read(t).Failover; f.Present {
				t.Errorf("a request was written: %+v", f)
			}
		})
	}
}

func TestSwitchoverBodies(t *testing.T) {
	p := newParty(t, nil, members("a", "b"))
	for _, body := range []string{`{}`, `[]`, `null`, `"x"`, `{`, `{"leader": "a"} {}`, `{"leader": 5}`, `{"leader": "a", "scheduled_at": {}}`} {
		if got := p.nodes["b"].do(t, "POST", "/switchover", body); got.status != 400 || got.header.Get("Content-Type") != "text/html;charset=utf-8" {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := p.nodes["b"].do(t, "POST", "/switchover", `{"leader": "`+strings.Repeat("a", bodyBytes)+`"}`); got.status != 413 {
		t.Errorf("a body too large: %d", got.status)
	}
}

func TestSwitchoverOutcomes(t *testing.T) {
	for _, c := range []struct {
		path, body, successor string
		status                int
		text                  string
	}{
		{"/switchover", `{"leader": "a"}`, "b", 200, `Successfully switched over to "b"`},
		{"/switchover", `{"leader": "a", "candidate": "c"}`, "c", 200, `Successfully switched over to "c"`},
		{"/switchover", `{"leader": "a", "member": "b"}`, "c", 200, `Switched over to "c" instead of "b"`},
		{"/failover", `{"candidate": "b"}`, "b", 200, `Successfully failed over to "b"`},
		{"/failover", `{"candidate": "b"}`, "c", 200, `Failed over to "c" instead of "b"`},
		{"/failover", `{"leader": "a", "candidate": "b"}`, "b", 200, `Successfully switched over to "b"`},
		{"/switchover", `{"leader": "a"}`, "", 503, "Switchover failed"},
		{"/failover", `{"candidate": "b"}`, "", 503, "Failover failed"},
	} {
		for _, via := range []string{"a", "c"} {
			t.Run(fmt.Sprintf("%s%s via %s", c.path, c.body, via), func(t *testing.T) {
				p := newParty(t, nil, members("a", "b", "c"))
				p.obey(t, c.successor)
				started := time.Now()
				p.nodes[via].expect(t, "POST", c.path, c.body, c.status, c.text)
				if took := time.Since(started); took > lookAgain {
					t.Errorf("the answer took %v, though the store had it at once", took)
				}
			})
		}
	}
}

// The leader's agent says why a request was cleared without anybody taking over.
func TestSwitchoverRefusedWithAReason(t *testing.T) {
	p := newParty(t, nil, members("a", "b"))
	a := p.nodes["a"].agent
	a.woken = func() {
		a.decided = []ha.Decision{
			{At: time.Now().Add(-time.Hour), Rule: "failover/refused", Reason: "switchover: another one"},
			{At: time.Now().Add(time.Second), Rule: "failover/refused", Reason: "switchover: nobody has all of my WAL (b: lacks 12 bytes)"},
			{At: time.Now().Add(time.Second), Rule: "lead", Reason: "no action"},
		}
		p.succeed(t, "")
	}
	p.nodes["a"].expect(t, "POST", "/switchover", `{"leader": "a"}`, 503, "Switchover failed: nobody has all of my WAL (b: lacks 12 bytes)")
}

// The answer waits until the new leader says that it is primary, but not for ever.
func TestSwitchoverToOneThatSaysNothing(t *testing.T) {
	p := newParty(t, nil, members("a", "b"))
	p.nodes["a"].agent.woken = func() {
		ctx := context.Background()
		_ = p.nodes["a"].agent.client.Release(ctx, p.lease)
		_, _ = p.nodes["b"].agent.client.Acquire(ctx)
		_, _ = p.nodes["b"].agent.client.PutFailover(ctx, dcs.Failover{}, dcs.Any)
	}
	started := time.Now()
	p.nodes["a"].expect(t, "POST", "/switchover", `{"leader": "a"}`, 200, `Successfully switched over to "b"`)
	if took := time.Since(started); took < promoting {
		t.Errorf("the answer came after %v, before b was primary", took)
	}
}

func TestScheduledSwitchover(t *testing.T) {
	p := newParty(t, nil, members("a", "b"))
	b := p.nodes["b"]
	b.expect(t, "DELETE", "/switchover", "", 404, "no switchover is scheduled")
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	// What can't be known yet isn't checked: c may come until then.
	b.expect(t, "POST", "/switchover", `{"leader": "a", "candidate": "c", "scheduled_at": "`+at.Format(time.RFC3339)+`"}`, 202, "Switchover scheduled")
	f := p.read(t).Failover
	if f.Leader != "a" || f.Candidate != "c" || !f.ScheduledAt.Equal(at) {
		t.Errorf("%+v", f)
	}
	if got := b.do(t, "GET", "/cluster", "").body; !strings.Contains(got, `"scheduled_switchover": {"at": "`+dcs.FormatTime(at)+`", "from": "a", "to": "c"}`) {
		t.Errorf("/cluster: %s", got)
	}
	b.expect(t, "DELETE", "/switchover", "", 200, "scheduled switchover deleted")
	if f := p.read(t).Failover; f.Requested() {
		t.Errorf("%+v", f)
	}
	b.expect(t, "DELETE", "/switchover", "", 404, "no switchover is scheduled")
}

func TestSwitchoverWithoutStore(t *testing.T) {
	p := newParty(t, nil, members("a", "b"))
	_ = p.nodes["b"].agent.client.Close()
	for request, body := range map[string]string{
		"POST /switchover": `{"leader": "a"}`, "DELETE /switchover": "", "GET /cluster": "", "GET /config": "", "PATCH /config": `{"ttl": 20}`,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := p.nodes["b"].do(t, method, path, body); got.status != 503 {
			t.Errorf("%s: %d %s", request, got.status, got.body)
		}
	}
	p.nodes["b"].agent.report = healthy()
	if got := p.nodes["b"].do(t, "GET", "/replica", ""); got.status != 200 {
		t.Errorf("a health check asked the store: %d", got.status)
	}
}

// A server that ends gives up the requests that wait.
func TestServeEndsWhileSomebodyWaits(t *testing.T) {
	store := memory.NewStore(nil)
	p := &party{store: store, nodes: map[string]*node{}}
	handle, err := store.Open(memory.Options{Path: dcs.Path{Scope: "demo"}, Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	agent := &fakeAgent{client: dcs.NewClient(handle, dcs.ClientOptions{}), report: healthy(asPrimary)}
	server, err := New(Options{Agent: agent, Peers: newClient(t, ClientOptions{}), Name: "a", Scope: "demo", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{agent: agent, clock: &fakeClock{Clock: clock.System(), now: noon}, store: store, server: server, url: "http://" + server.Addr().String()}
	p.nodes["a"] = n
	p.touch(t, "a", "primary")
	ctx, cancel := context.WithCancel(context.Background())
	agent.restart = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	asked := make(chan response, 1)
	go func() { asked <- n.do(t, "POST", "/restart", "") }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve goes on")
	}
	if got := <-asked; got.status != 503 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
