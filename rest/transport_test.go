package rest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// raw sends text as it is and returns all that comes until the server closes.
func (n *node) raw(t *testing.T, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", n.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// What HAProxy sends by default, and nothing but the status line counts.
func TestHAProxyCheck(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	for path, want := range map[string]string{"/primary": "HTTP/1.0 200 OK\r\n", "/replica": "HTTP/1.0 503 Service Unavailable\r\n"} {
		got := n.raw(t, "OPTIONS "+path+" HTTP/1.0\r\n\r\n")
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestHTTP10HasOneRequestAConnection(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	got := n.raw(t, "GET /primary HTTP/1.0\r\n\r\n")
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.0 200 OK\r\n") || !strings.HasPrefix(body, `{"state": "running", `) {
		t.Errorf("%q", got)
	}
}

func TestKeepAliveWhereAskedFor(t *testing.T) {
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	conn, err := net.Dial("tcp", n.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprint(conn, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
			t.Fatalf("%d, %v", response.StatusCode, err)
		}
		response.Body.Close()
	}
}

func TestMalformedRequests(t *testing.T) {
	n := newNode(t)
	for text, want := range map[string]string{
		"nonsense\r\n\r\n":                 "HTTP/1.1 400 ",
		"GET /primary HTTP/1.0\r\nX\r\n\r": "HTTP/1.1 400 ",
		"GET / HTTP/1.0\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n":                                                 "HTTP/1.1 431 ",
		"PATCH /config HTTP/1.0\r\n\r\n":                                                                                   "HTTP/1.0 411 ",
		"PATCH /config HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": "HTTP/1.1 411 ",
		"PATCH /config HTTP/1.0\r\nContent-Length: 0\r\n\r\n":                                                              "HTTP/1.0 400 ",
		"PATCH /config HTTP/1.0\r\nContent-Length: x\r\n\r\n":                                                              "HTTP/1.1 400 ",
		"OPTIONS * HTTP/1.0\r\n\r\n":                                                                                       "HTTP/1.0 503 ",
	} {
		if got := n.raw(t, text); !strings.HasPrefix(got, want) {
			t.Errorf("%.60q: %.60q, want %q", text, got, want)
		}
	}
}

// Clients that connect and say nothing, or begin and never end, keep nobody from
// an answer, also more of them than connections are allowed.
func TestSilentClients(t *testing.T) {
	raiseFiles(t, 5*connections)
	n := newNode(t)
	n.agent.report = healthy(asPrimary)
	for i := range 2*connections + 100 {
		conn, err := net.Dial("tcp", n.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch {
		case i < connections && i%2 == 0:
			fmt.Fprint(conn, "GET /pri")
		case i < connections:
			fmt.Fprint(conn, "POST /switchover HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
		}
	}
	for range 50 {
		if got := n.do(t, "OPTIONS", "/primary", "").status; got != 200 {
			t.Fatalf("%d", got)
		}
	}
}

// A header that doesn't end in time ends the connection.
func TestSlowHeader(t *testing.T) {
	n := newNode(t, func(o *Options) { o.HandshakeTimeout = 200 * time.Millisecond })
	started := time.Now()
	got := n.raw(t, "GET /primary HTTP/1.1\r\nHost: ")
	if strings.Contains(got, "200 OK") {
		t.Errorf("%q", got)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the connection lived for %v", took)
	}
}

func TestSlowBody(t *testing.T) {
	n := newNode(t, func(o *Options) { o.RequestTimeout = 200 * time.Millisecond })
	if got := n.raw(t, "PATCH /config HTTP/1.0\r\nContent-Length: 9\r\n\r\n{\"ttl\":"); !strings.HasPrefix(got, "HTTP/1.0 400 ") {
		t.Errorf("%q", got)
	}
}

// A client that doesn't take its answer is let go.
func TestClientThatDoesNotRead(t *testing.T) {
	n := newNode(t, func(o *Options) { o.RequestTimeout = 200 * time.Millisecond })
	n.server.routes["GET much"] = route{serve: func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, "text/plain", make([]byte, 64<<20)) // more than sockets hold
	}}
	conn, err := net.Dial("tcp", n.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /much HTTP/1.0\r\n\r\n")
	eventually(t, func() bool { return n.server.room.count() == 1 })
	eventually(t, func() bool { return n.server.room.count() == 0 })
}

func TestHeaders(t *testing.T) {
	for tokens, want := range map[string]string{"": "regent/0.1.0", "Original": "regent/0.1.0", "ProductOnly": "Patroni", "minimal": "Patroni/4.1.4"} {
		n := newNode(t, func(o *Options) {
			o.ServerTokens = tokens
			o.Headers = map[string]string{"X-Frame-Options": "deny"}
			o.TLSHeaders = map[string]string{"Strict-Transport-Security": "max-age=1"}
		})
		got := n.do(t, "GET", "/", "").header
		if got.Get("Server") != want || got.Get("X-Frame-Options") != "deny" || got.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: %v", tokens, got)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	good := Options{Agent: &fakeAgent{}, Peers: newClient(t, ClientOptions{}), Name: "a", Listen: "127.0.0.1:0"}
	for want, change := range map[string]func(o *Options){
		"Options.Agent":            func(o *Options) { o.Agent = nil },
		"Options.Peers":            func(o *Options) { o.Peers = nil },
		"Options.Name":             func(o *Options) { o.Name = "" },
		"Options.Listen":           func(o *Options) { o.Listen = "8008" },
		"Options.Auth":             func(o *Options) { o.Auth.Username = "admin" },
		"Options.ServerTokens":     func(o *Options) { o.ServerTokens = "none" },
		"Options.Allowlist":        func(o *Options) { o.Allowlist = []string{"10.0.0.0/99"} },
		"Options.TLS.CertFile":     func(o *Options) { o.TLS.KeyFile = "key" },
		"Options.TLS.CAFile":       func(o *Options) { o.TLS = TLS{CertFile: "cert", VerifyClient: "required"} },
		"Options.TLS.VerifyClient": func(o *Options) { o.TLS.VerifyClient = "maybe" },
		"Options.TLS:":             func(o *Options) { o.TLS.CertFile = os.DevNull },
		"listen":                   func(o *Options) { o.Listen = "192.0.2.1:1" },
	} {
		o := good
		change(&o)
		s, err := New(o)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't name %s", err, want)
		}
	}
}
