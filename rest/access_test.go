package rest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/regent-ha/regent/dcs"
)

// changing are all requests that change something, each with a body that it takes.
var changing = map[string]string{
	"PATCH /config": `{"ttl": 30}`, "PUT /config": `{"ttl": 30}`, "POST /reload": "", "POST /restart": "", "DELETE /restart": "",
	"POST /reinitialize": "", "POST /switchover": `{"leader": "a"}`, "POST /failover": `{"candidate": "b"}`, "DELETE /switchover": "",
	"POST /failsafe": `{"name": "b"}`,
}

// reading are those that nobody is asked for.
var readOnly = []string{"GET /", "OPTIONS /primary", "GET /liveness", "GET /patroni", "GET /cluster", "GET /history", "GET /config", "GET /metrics", "GET /failsafe", "GET /decisions"}

func TestEveryRouteIsListedHere(t *testing.T) {
	n := newNode(t)
	for name, route := range n.server.routes {
		method, first, _ := strings.Cut(name, " ")
		_, listed := changing[method+" /"+first]
		if route.changes != listed {
			t.Errorf("%s: changes is %v", name, route.changes)
		}
	}
	if len(changing) != 10 {
		t.Errorf("%d requests", len(changing))
	}
}

func (n *node) each(t *testing.T, requests map[string]string, check func(t *testing.T, r response), header ...string) {
	t.Helper()
	for name, body := range requests {
		method, path, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) { check(t, n.do(t, method, path, body, header...)) })
	}
}

func refusedWith(status int, text string) func(*testing.T, response) {
	return func(t *testing.T, r response) {
		t.Helper()
		if r.status != status || r.body != text {
			t.Errorf("%d %q, want %d %q", r.status, r.body, status, text)
		}
	}
}

func passes(t *testing.T, r response) {
	t.Helper()
	if r.status == 401 || r.status == 403 {
		t.Errorf("%d %q", r.status, r.body)
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasicAuth(t *testing.T) {
	n := newNode(t, func(o *Options) { o.Auth = Auth{"admin", "sécret"} })
	n.agent.report = healthy()
	n.each(t, changing, refusedWith(401, "no auth header received"))
	for _, wrong := range []string{basic("admin", "secret"), basic("root", "sécret"), basic("", ""), basic("admin", ""), "Bearer x", "Basic !", "Basic"} {
		n.each(t, changing, refusedWith(401, "not authenticated"), "Authorization", wrong)
	}
	n.each(t, changing, passes, "Authorization", basic("admin", "sécret"))
	for _, r := range readOnly {
		n.each(t, map[string]string{r: ""}, passes)
	}
	if got := n.do(t, "POST", "/reload", "").header.Get("WWW-Authenticate"); got != `Basic realm="Patroni"` {
		t.Errorf("WWW-Authenticate: %s", got)
	}
}

func TestAllowlist(t *testing.T) {
	member := func(host string) []dcs.Member {
		return []dcs.Member{{Name: "b", APIURL: fmt.Sprintf("http://%s:8008/patroni", host)}}
	}
	for name, c := range map[string]struct {
		list    []string
		members bool
		known   []dcs.Member
		allowed bool
		pledge  bool
	}{
		"nothing":           {nil, false, nil, true, true},
		"its network":       {[]string{"10.0.0.0/8", "127.0.0.0/8"}, false, nil, true, true},
		"its address":       {[]string{"127.0.0.1"}, false, nil, true, true},
		"mapped address":    {[]string{"::ffff:127.0.0.1"}, false, nil, true, true},
		"its name":          {[]string{"localhost"}, false, nil, true, true},
		"others":            {[]string{"10.0.0.1", "::1", "host.invalid"}, false, nil, false, false},
		"a member":          {nil, true, member("127.0.0.1"), true, true},
		"a member's name":   {nil, true, member("localhost"), true, true},
		"no member":         {nil, true, member("10.0.0.1"), false, true},
		"none known":        {nil, true, nil, false, true},
		"others, no member": {[]string{"10.0.0.1"}, true, member("10.0.0.2"), false, false},
		"others, a member":  {[]string{"10.0.0.1"}, true, member("127.0.0.1"), true, true},
		"a member, unasked": {[]string{"10.0.0.1"}, false, member("127.0.0.1"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(o *Options) { o.Allowlist, o.AllowMembers = c.list, c.members })
			n.agent.report = healthy()
			n.agent.report.Cluster.Members = c.known
			want := map[bool]func(*testing.T, response){true: passes, false: refusedWith(403, "Access is denied")}
			n.each(t, map[string]string{"POST /reload": ""}, want[c.allowed])
			n.each(t, map[string]string{"POST /failsafe": `{"name": "b"}`}, want[c.pledge])
			n.each(t, map[string]string{"GET /config": ""}, passes)
		})
	}
}
