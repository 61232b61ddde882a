package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/ha"
)

// terms are what leader b asks of a.
func terms() *ha.PledgeTerms {
	return &ha.PledgeTerms{SystemID: "7300000000000000001", Scope: "demo", Giver: "a", Taker: "b", Grant: "g", TTL: 30}
}

const askedByOurs = `{"name": "b", "conn_url": "postgres://b:5432/postgres", "api_url": "http://b:8008/patroni", "slots": {"a": 5}, ` +
	`"regent": {"system_identifier": "7300000000000000001", "scope": "demo", "giver": "a", "taker": "b", "grant": "g", "ttl": 30}}`

// What a pledge looks like on the wire: Patroni's leaders compare the body, and the
// terms are in a header of ASCII characters.
func TestPledgeOnTheWire(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy()
	got := n.do(t, "POST", "/failsafe", askedByOurs)
	want := `{"system_identifier":"7300000000000000001","scope":"demo","giver":"a","taker":"b","grant":"g","ttl":30}`
	if got.status != 200 || got.body != "Accepted" || got.header.Get("lsn") != "2000" || got.header.Get("Regent-Pledge") != want {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(terms(), n.agent.pledged[0].Terms); diff != "" {
		t.Error(diff)
	}
	got = n.do(t, "POST", "/failsafe", strings.Replace(askedByOurs, `"demo"`, `"d\u00e9m\ud83d\ude00\u007f"`, 1))
	if header := got.header.Get("Regent-Pledge"); !strings.Contains(header, `"scope":"d\u00e9m\ud83d\ude00\u007f"`) {
		t.Errorf("%+v", got)
	}
	// Patroni's leader names no terms.
	got = n.do(t, "POST", "/failsafe", `{"name": "b", "conn_url": "postgres://b:5432/postgres", "api_url": "http://b:8008/patroni", "slots": {}}`)
	if got.status != 200 || got.body != "Accepted" || n.agent.pledged[2].Terms != nil {
		t.Errorf("%+v", got)
	}
	for _, terms := range []string{`5`, `[]`, `"x"`, `{"ttl": "30"}`, `{"ttl": 1e30}`, `{"ttl": 1.5}`, `{"grant": 5}`} {
		if got := n.do(t, "POST", "/failsafe", `{"name": "b", "regent": `+terms+`}`); got.status != 400 {
			t.Errorf("%s: %d", terms, got.status)
		}
	}
	n.agent.pledgeErr = errors.New(`the leader that this member saw last in the store is "c", not "b"`)
	got = n.do(t, "POST", "/failsafe", askedByOurs)
	if got.status != 500 || got.body != n.agent.pledgeErr.Error() || got.header.Get("Regent-Pledge") != "" {
		t.Errorf("%+v", got)
	}
}

// A pledge is asked for with a client certificate and a password where changes are.
func TestPledgeIsAuthenticated(t *testing.T) {
	i := newIssuer(t)
	cert, mine := i.server(t, "server", "127.0.0.1"), i.client(t, "client")
	n := newNode(t, func(o *Options) {
		o.TLS, o.Auth = TLS{CertFile: cert, CAFile: i.file("ca"), VerifyClient: "optional"}, Auth{"admin", "secret"}
	})
	n.agent.report = healthy()
	for want, o := range map[string]ClientOptions{
		"403": {CAFile: i.file("ca"), Auth: Auth{"admin", "secret"}},
		"401": {CAFile: i.file("ca"), CertFile: mine},
		"":    {CAFile: i.file("ca"), CertFile: mine, Auth: Auth{"admin", "secret"}},
	} {
		_, err := newClient(t, o).Pledge(within(t, 5*time.Second), n.url, ha.PledgeRequest{Name: "b", Terms: terms()})
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if len(n.agent.pledged) != 1 {
		t.Errorf("%d pledges", len(n.agent.pledged))
	}
}

// A member that accepts without terms is asked who it is.
func TestPledgeOfPatroni(t *testing.T) {
	var header, status string
	posted := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /failsafe":
			body, _ := io.ReadAll(r.Body)
			posted <- string(body)
			w.Header()["lsn"] = []string{"2000"}
			if header != "" {
				w.Header().Set("Regent-Pledge", header)
			}
			_, _ = io.WriteString(w, "Accepted")
		case "GET /patroni":
			if status == "" {
				http.Error(w, "no", http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, status)
		}
	}))
	defer server.Close()
	request := ha.PledgeRequest{Name: "b", ConnURL: "postgres://b:5432/postgres", APIURL: "http://b:8008/patroni", Slots: map[string]uint64{"a": 5}, Terms: terms()}
	for name, c := range map[string]struct {
		header, status string
		want           ha.PledgeAnswer
		err            string
	}{
		"4.1": {"", statuses["replica"].text, ha.PledgeAnswer{LSN: 2000, Patroni: true, Terms: ha.PledgeTerms{SystemID: "7575757575757575757", Scope: "demo", Giver: "n1"}}, ""},
		"3.0": {"", `{"state": "running", "role": "replica", "database_system_identifier": "7575757575757575757", "patroni": {"version": "3.0.2", "scope": "demo"}}`,
			ha.PledgeAnswer{LSN: 2000, Patroni: true, Terms: ha.PledgeTerms{SystemID: "7575757575757575757", Scope: "demo"}}, ""},
		"no status":   {"", "", ha.PledgeAnswer{}, "503"},
		"ours":        {termsText(*terms()), "", ha.PledgeAnswer{LSN: 2000, Terms: *terms()}, ""},
		"garbage":     {"{", "", ha.PledgeAnswer{}, "Regent-Pledge"},
		"empty terms": {"{}", "", ha.PledgeAnswer{LSN: 2000}, ""},
	} {
		header, status = c.header, c.status
		got, err := newClient(t, ClientOptions{}).Pledge(within(t, 5*time.Second), server.URL+"/patroni", request)
		if diff := cmp.Diff(c.want, got); diff != "" || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		if body := <-posted; body != askedByOurs {
			t.Errorf("%s", body)
		}
	}
}
