package rest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAskOurs(t *testing.T) {
	n := newNode(t)
	c := newClient(t, ClientOptions{})
	for name, row := range map[string]struct {
		report ha.Report
		want   ha.PeerStatus
	}{
		"replica": {healthy(), ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, Priority: 1}},
		"primary": {healthy(asPrimary), ha.PeerStatus{Running: true, Timeline: 4, Location: 2000, Priority: 1}},
		"stopped": {healthy(state("stopped", postgres.StateStopped)), ha.PeerStatus{Priority: 1}},
		"tagged": {healthy(func(r *ha.Report) { r.Member.Tags = dcs.Tags{"nofailover": true, "failover_priority": 7} }),
			ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, NoFailover: true}},
		"preferred": {healthy(func(r *ha.Report) { r.Member.Tags = dcs.Tags{"failover_priority": 7} }),
			ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, Priority: 7}},
		"keeps still": {healthy(func(r *ha.Report) { r.PledgedTo, r.NoPledges = "c", true }),
			ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, Priority: 1, Unfit: "it has pledged to c", PledgedTo: "c", NoPledges: true}},
		"diverged": {healthy(func(r *ha.Report) { r.Member.Problem = "diverged: at 0/5000148" }),
			ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, Priority: 1, Unfit: "diverged: at 0/5000148"}},
		"promoted by hand": {healthy(func(r *ha.Report) { r.OffHistory = "my timeline is 5, the cluster's is 3" }),
			ha.PeerStatus{Running: true, InRecovery: true, Timeline: 4, Location: 2000, Priority: 1, Unfit: "my timeline is 5, the cluster's is 3"}},
	} {
		n.agent.set(func(r *ha.Report) { *r = row.report })
		row.want.Name, row.want.Scope, row.want.SystemID = "a", "demo", row.report.Server.SystemID
		got, err := c.Ask(within(t, 2*time.Second), dcs.Member{Name: "a", APIURL: n.url + "/patroni"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// statuses are what members of Patroni answer.
var statuses = map[string]struct {
	text string
	want ha.PeerStatus
}{
	"replica": {`{"state": "running", "postmaster_start_time": "2026-11-23 00:40:03.743183+00:00", "role": "replica", "server_version": 150020, ` +
		`"xlog": {"received_location": 67109848, "replayed_location": 67109000, "replayed_timestamp": null, "paused": false}, "timeline": 2, ` +
		`"replication_state": "streaming", "dcs_last_seen": 1795394403, "tags": {"clonefrom": true, "failover_priority": "2"}, ` +
		`"database_system_identifier": "7575757575757575757", "patroni": {"version": "4.1.4", "scope": "demo", "name": "n1"}}`,
		ha.PeerStatus{Name: "n1", Scope: "demo", SystemID: "7575757575757575757", Running: true, InRecovery: true, Timeline: 2, Location: 67109848, Priority: 2}},
	"primary": {`{"state": "running", "role": "primary", "xlog": {"location": 67110000}, "timeline": 2}`,
		ha.PeerStatus{Running: true, Timeline: 2, Location: 67110000, Priority: 1}},
	"old primary": {`{"state": "running", "role": "master", "xlog": {"received_location": 5}, "timeline": null}`,
		ha.PeerStatus{Running: true, Location: 5, Priority: 1}},
	"wal": {`{"role": "replica", "wal": {"received_location": 5, "replayed_location": 6}, "watchdog_failed": true}`,
		ha.PeerStatus{Running: true, InRecovery: true, Location: 6, Priority: 1, Watchdog: true}},
	"stopped": {`{"state": "stopped", "role": "replica", "dcs_last_seen": 0}`, ha.PeerStatus{Priority: 1}},
}

func TestAskPatroni(t *testing.T) {
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/patroni" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked for %s %s %v", r.Method, r.URL, r.Header)
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	c := newClient(t, ClientOptions{Auth: Auth{"admin", "secret"}})
	for name, s := range statuses {
		answer = s.text
		got, err := c.Ask(within(t, 2*time.Second), dcs.Member{APIURL: server.URL + "/patroni"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// An answer that is no status, and a refused connection, are words of the
// member: no more is waited for.
func TestAskTakesNoForAnAnswer(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"not found":  http.NotFound,
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"an array":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat(" ", answerBytes+1)))
		},
	}
	c := newClient(t, ClientOptions{})
	ask := func(name, url string) {
		ctx := within(t, 10*time.Second)
		if _, err := c.Ask(ctx, dcs.Member{APIURL: url}); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v (%v)", name, err, ctx.Err())
		}
	}
	for name, answer := range answers {
		server := httptest.NewServer(answer)
		ask(name, server.URL+"/patroni")
		server.Close()
		ask(name+", closed", server.URL+"/patroni")
	}
	for _, url := range []string{"", "nonsense", "ftp://a/patroni", "http:///patroni", "http://a b/patroni"} {
		ask(url, url)
	}
}

// A member that breaks off, or whose address leads nowhere, has said nothing: it
// is asked again until the caller's time is over.
func TestAskInsists(t *testing.T) {
	broken := 3
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken--; broken >= 0 {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
			return
		}
		_, _ = w.Write([]byte(statuses["replica"].text))
	}))
	defer server.Close()
	c := newClient(t, ClientOptions{})
	got, err := c.Ask(within(t, 10*time.Second), dcs.Member{APIURL: server.URL})
	if err != nil || !got.Running {
		t.Errorf("%+v, %v", got, err)
	}
	ctx := within(t, 300*time.Millisecond)
	if _, err := c.Ask(ctx, dcs.Member{APIURL: "http://member.invalid:8008/patroni"}); err == nil || ctx.Err() == nil {
		t.Errorf("%v after less than the time for it", err)
	}
}

// A frozen member takes connections and answers none.
func TestAskFrozen(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx := within(t, 300*time.Millisecond)
	if _, err := newClient(t, ClientOptions{}).Ask(ctx, dcs.Member{APIURL: "http://" + listener.Addr().String()}); err == nil || ctx.Err() == nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.String() }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	_, err := newClient(t, ClientOptions{}).Ask(within(t, 300*time.Millisecond), dcs.Member{APIURL: "http://member.invalid:8008/patroni"})
	if err == nil || len(asked) > 0 {
		t.Errorf("%v, the proxy was asked %d times", err, len(asked))
	}
}

func TestPledge(t *testing.T) {
	n := newNode(t, func(o *Options) { o.Auth = Auth{"admin", "secret"} })
	n.agent.report = healthy()
	request := ha.PledgeRequest{Name: "b", ConnURL: "postgres://b:5432/postgres", APIURL: "http://b:8008/patroni", Slots: map[string]uint64{"a": 5},
		Terms: &ha.PledgeTerms{SystemID: "7300000000000000001", Scope: "d\u00e9mo\n", Giver: "a", Taker: "b", Grant: "g", TTL: 30}}
	trusted := newClient(t, ClientOptions{Auth: Auth{"admin", "secret"}})
	answer, err := trusted.Pledge(within(t, 5*time.Second), n.url+"/patroni", request)
	if diff := cmp.Diff(ha.PledgeAnswer{LSN: 2000, Terms: *request.Terms}, answer); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff([]ha.PledgeRequest{request}, n.agent.pledged); diff != "" {
		t.Error(diff)
	}
	if _, err := newClient(t, ClientOptions{}).Pledge(within(t, 5*time.Second), n.url, request); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the password: %v", err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{{ha.ErrRunningAsLeader, `500 "Running as a leader"`}, {ha.ErrFailsafeOff, "502"}, {errFake, "500"}} {
		n.agent.pledgeErr = c.err
		if _, err := trusted.Pledge(within(t, 5*time.Second), n.url, request); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
	if len(n.agent.pledged) != 1 {
		t.Errorf("%d pledges", len(n.agent.pledged))
	}
}
