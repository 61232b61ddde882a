package config

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// nameserver is as much of a DNS server as SRV records need.
type nameserver struct {
	conn    net.PacketConn
	records map[string][]dnsmessage.SRVResource
	broken  string // a name that it fails at

	mu    sync.Mutex
	asked []string
}

// resolver asks a new nameserver with these records: by name as "_etcd._tcp.example.com.",
// each target:port.
func resolver(t *testing.T, broken string, records map[string][]string) (*net.Resolver, *nameserver) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{conn: conn, records: map[string][]dnsmessage.SRVResource{}, broken: broken}
	for name, targets := range records {
		for i, target := range targets {
			host, port, err := net.SplitHostPort(target)
			if err != nil {
				t.Fatal(err)
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			s.records[name] = append(s.records[name], dnsmessage.SRVResource{
				Priority: uint16(i), Port: uint16(number), Target: dnsmessage.MustNewName(host + "."),
			})
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, s
}

func (s *nameserver) serve() {
	buffer := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		s.answer(&m)
		if packed, err := m.Pack(); err == nil {
			s.conn.WriteTo(packed, from)
		}
	}
}

// questions are the names that were asked for, each once.
func (s *nameserver) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *nameserver) answer(m *dnsmessage.Message) {
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	s.mu.Lock()
	if q.Type == dnsmessage.TypeSRV && !slices.Contains(s.asked, name) {
		s.asked = append(s.asked, name)
	}
	s.mu.Unlock()
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: m.RecursionDesired}
	m.Additionals = nil
	switch records := s.records[name]; {
	case name == s.broken:
		m.RCode = dnsmessage.RCodeServerFailure
	case len(records) == 0 || q.Type != dnsmessage.TypeSRV:
		m.RCode = dnsmessage.RCodeNameError
	default:
		for _, r := range records {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}, Body: &r,
			})
		}
	}
}

func TestServersInDNS(t *testing.T) {
	order := []string{
		"_etcd-client-ssl._tcp.example.com.", "_etcd-client._tcp.example.com.", "_etcd-ssl._tcp.example.com.", "_etcd._tcp.example.com.",
		"_etcd-server-ssl._tcp.example.com.", "_etcd-server._tcp.example.com.",
	}
	two := []string{"e1.example.com:2379", "e2.example.com:2380"}
	for name, c := range map[string]struct {
		suffix, broken string
		records        map[string][]string
		want           []string
		err            string
		asked          []string
	}{
		"for TLS":                    {records: map[string][]string{order[0]: two, order[1]: {"old.example.com:1"}}, want: []string{"https://e1.example.com:2379", "https://e2.example.com:2380"}, asked: order[:1]},
		"without TLS":                {records: map[string][]string{order[1]: two}, want: []string{"http://e1.example.com:2379", "http://e2.example.com:2380"}, asked: order[:2]},
		"older, for TLS":             {records: map[string][]string{order[2]: two, order[3]: two}, want: []string{"https://e1.example.com:2379", "https://e2.example.com:2380"}, asked: order[:3]},
		"older":                      {records: map[string][]string{order[3]: two}, want: []string{"http://e1.example.com:2379", "http://e2.example.com:2380"}, asked: order[:4]},
		"with a suffix":              {suffix: "blue", records: map[string][]string{order[0]: two, "_etcd-client-blue._tcp.example.com.": {"blue.example.com:1"}}, want: []string{"http://blue.example.com:1"}, asked: []string{"_etcd-client-ssl-blue._tcp.example.com.", "_etcd-client-blue._tcp.example.com."}},
		"none":                       {err: "no server found for example.com in DNS: none of _etcd-client-ssl, _etcd-client, _etcd-ssl, _etcd, _etcd-server-ssl, _etcd-server has records below _tcp.example.com.", asked: order},
		"a service that isn't there": {records: map[string][]string{order[0]: {":0"}, order[1]: two[:1]}, want: []string{"http://e1.example.com:2379"}, asked: order[:2]},
		// Nobody goes on without TLS because a server of DNS is ill.
		"a failure": {broken: order[0], records: map[string][]string{order[1]: two}, err: "look up the servers of example.com: ", asked: order[:1]},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := resolver(t, c.broken, c.records)
			got, err := Etcd{SRV: "example.com", SRVSuffix: c.suffix}.lookUp(t.Context(), r.LookupSRV)
			if (err == nil) != (c.err == "") || err != nil && (!strings.HasPrefix(err.Error(), c.err) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.asked, s.questions()); diff != "" {
				t.Errorf("asked: %s", diff)
			}
		})
	}
}

// DNS tells where an etcd is, or where its servers talk to one another.
func TestOpenByDNS(t *testing.T) {
	for name, c := range map[string]struct {
		options testenv.EtcdOptions
		service string
		addr    func(*testenv.EtcdCluster) string
	}{
		"TLS":   {testenv.EtcdOptions{TLS: true}, "_etcd-client-ssl", func(e *testenv.EtcdCluster) string { return e.Members[0].Addr }},
		"plain": {testenv.EtcdOptions{}, "_etcd", func(e *testenv.EtcdCluster) string { return e.Members[0].Addr }},
		"peers": {testenv.EtcdOptions{}, "_etcd-server", func(e *testenv.EtcdCluster) string { return e.Members[0].PeerAddr }},
	} {
		t.Run(name, func(t *testing.T) {
			e := testenv.Etcd(t, c.options)
			_, port, err := net.SplitHostPort(c.addr(e))
			if err != nil {
				t.Fatal(err)
			}
			r, _ := resolver(t, "", map[string][]string{c.service + "._tcp.example.com.": {"localhost:" + port}})
			text := "etcd3:\n  host: null\n  srv: example.com\n"
			for _, line := range strings.Split(etcdText(e), "\n") {
				if key := strings.TrimSpace(line); strings.HasPrefix(key, "c") || strings.HasPrefix(key, "key") {
					text += line + "\n"
				}
			}
			loaded, _, err := loadText(t, text)
			if err != nil {
				t.Fatal(err)
			}
			etcd3 := loaded.Store.Section.(Etcd)
			if etcd3.Endpoints, err = etcd3.lookUp(t.Context(), r.LookupSRV); err != nil {
				t.Fatal(err)
			}
			etcd3.SRV = ""
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			store, err := etcd3.open(ctx, handle{path: dcs.Path{Scope: "demo"}, name: "a", ttl: time.Minute, clock: clock.System()})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if _, err := store.AttemptToAcquireLeader(ctx); err != nil {
				t.Errorf("by %v: %v", etcd3.Endpoints, err)
			}
		})
	}
}

// A peer that answers otherwise is named in one line.
func TestPeersThatDoNotTell(t *testing.T) {
	for answer, want := range map[string]string{
		"garbage":             "invalid character",
		"[]":                  "no member serves clients",
		`[{"clientURLs":[]}]`: "no member serves clients",
	} {
		peer := listen(t, answer)
		_, port, _ := net.SplitHostPort(peer)
		r, _ := resolver(t, "", map[string][]string{"_etcd-server._tcp.example.com.": {"localhost:" + port, "localhost:1"}})
		_, err := Etcd{SRV: "example.com"}.lookUp(t.Context(), r.LookupSRV)
		if err == nil || !strings.HasPrefix(err.Error(), "ask the servers of example.com where they serve clients: get http://localhost:"+port+"/members: ") ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", answer, err)
		}
	}
}

// listen answers every request with the same.
func listen(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
	return listener.Addr().String()
}
