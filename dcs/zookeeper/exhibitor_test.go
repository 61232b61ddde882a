package zookeeper_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// exhibitor plays one: there is no package of it.
type exhibitor struct {
	addr   string
	answer atomic.Value // string
	asked  atomic.Int64
}

func startExhibitor(tb testing.TB) *exhibitor {
	e := &exhibitor{}
	e.answer.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		answer := e.answer.Load().(string)
		if r.URL.Path != "/exhibitor/v1/cluster/list" || answer == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, answer)
	}))
	tb.Cleanup(server.Close)
	e.addr = server.Listener.Addr().String()
	return e
}

func (e *exhibitor) names(tb testing.TB, server string) {
	tb.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		tb.Fatal(err)
	}
	e.answer.Store(fmt.Sprintf(`{"servers":[%q],"port":%s}`, host, port))
}

// asks returns when it was asked twice more: what it answered before is known.
func (e *exhibitor) asks(tb testing.TB) {
	tb.Helper()
	before := e.asked.Load()
	testenv.Eventually(tb, storetest.Patience, "questions to Exhibitor", func() error {
		if n := e.asked.Load() - before; n < 2 {
			return fmt.Errorf("%d were asked", n)
		}
		return nil
	})
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// The servers that Exhibitor named first go, others come; while it says nothing
// that can be used, the last list stays. A handle with servers of its own has the
// same cluster before it.
func TestExhibitorNamesServers(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{Members: 3})
	ctx := storetest.Patient(t)
	named := startExhibitor(t)
	named.names(t, server.Members[0].Addr)
	e := &zookeeper.Exhibitor{Addrs: []string{named.addr}, Interval: 20 * time.Millisecond}
	servers, err := e.Servers(ctx)
	if err != nil || len(servers) != 1 || servers[0] != server.Members[0].Addr {
		t.Fatalf("it names %q, %v", servers, err)
	}
	var log buffer
	a := closing(t, server, zookeeper.Options{Servers: servers, Exhibitor: e, Name: "a", TTL: time.Minute, AttemptTimeout: time.Second, Logger: textLogger(&log)})
	l := storetest.Life(t, a)
	b := closing(t, server, zookeeper.Options{Servers: others(server, server.Members[0]), Name: "b"})
	if s, err := b.Read(ctx); err != nil || s.Leader == nil || s.Leader.Grant != l.ID {
		t.Errorf("by its own servers: %+v, %v", s.Leader, err)
	}

	for _, useless := range []string{"", "no list", `{"servers":[],"port":2181}`, `{"servers":["127.0.0.1"]}`, `{"servers":["a/b"],"port":1}`, `{"servers":7,"port":1}`} {
		named.answer.Store(useless)
		named.asks(t)
		if l, err = a.UpdateLeader(ctx, l); err != nil {
			t.Fatalf("while it answers %q: %v", useless, err)
		}
	}
	if text := log.String(); strings.Count(text, "isn't renewed") != 1 || strings.Contains(text, "other ZooKeeper servers") {
		t.Errorf("the log is: %s", text)
	}

	named.names(t, server.Members[1].Addr)
	named.asks(t)
	server.Members[0].Kill()
	if l, err = a.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
		t.Fatalf("with other servers: %v", err)
	}
	if err := a.Touch(ctx, dcs.Member{State: "running"}); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Read(ctx); err != nil || s.Leader == nil || s.Leader.Grant != l.ID {
		t.Errorf("read %+v, %v", s.Leader, err)
	}
	text := log.String()
	if strings.Count(text, "Exhibitor answers again") != 1 || strings.Count(text, "other ZooKeeper servers") != 1 {
		t.Errorf("the log is: %s", text)
	}
	a.Close()
	before := named.asked.Load()
	if _, err := e.Servers(ctx); err != nil || named.asked.Load() != before+1 {
		t.Errorf("after Close it was asked %d times, %v", named.asked.Load()-before, err)
	}
}

// Without an answer the error names all that were asked, and why.
func TestExhibitorsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	port := silent.Addr().(*net.TCPAddr).Port
	e := &zookeeper.Exhibitor{Addrs: []string{silent.Addr().String(), fmt.Sprint("127.0.0.9:", port)}}
	_, err = e.Servers(storetest.Patient(t))
	want := fmt.Sprintf("no Exhibitor tells the servers: http://127.0.0.1:%d/exhibitor/v1/cluster/list: no answer within 3.1s;"+
		" http://127.0.0.9:%d/exhibitor/v1/cluster/list: connection refused", port, port)
	if err == nil || err.Error() != want {
		t.Errorf("%v, want\n%s", err, want)
	}
	for answer, want := range map[string]string{
		"":                                      "it answers 404 Not Found",
		"<html>":                                "its answer isn't a list of servers: invalid character",
		`{"servers":[],"port":2181}`:            "it knows no server",
		`{"servers":["zk1","a b"],"port":2181}`: `its list has a server that isn't host:port: "a b:2181"`,
		`{"servers":["zk1"],"port":70000}`:      `its list has a server that isn't host:port: "zk1:70000"`,
		`{"servers":["zk1"],"port":2`:           "its answer isn't a list of servers: unexpected end",
	} {
		named := startExhibitor(t)
		named.answer.Store(answer)
		_, err := (&zookeeper.Exhibitor{Addrs: []string{named.addr}}).Servers(storetest.Patient(t))
		if err == nil || !strings.Contains(err.Error(), named.addr+"/exhibitor/v1/cluster/list: "+want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
