package etcd2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// Whatever else than a server of the store answers: that is no cluster, and nobody's
// refusal.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	header := func(w http.ResponseWriter) {
		w.Header().Set("X-Etcd-Cluster-Id", "1")
		w.Header().Set("X-Etcd-Index", "7")
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"not found":                     {http.NotFound, "the section etcd3:"},
		"not found, as etcd says it":    {func(w http.ResponseWriter, _ *http.Request) { notFound(w) }, "the section etcd3:"},
		"not found, without an index":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Etcd-Cluster-Id", "1"); notFound(w) }, "isn't one of etcd's API v2"},
		"a page":                        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "isn't one of etcd's API v2"},
		"an empty object":               {func(w http.ResponseWriter, _ *http.Request) { header(w); fmt.Fprint(w, "{}") }, "isn't one of etcd's API v2"},
		"half an answer":                {func(w http.ResponseWriter, _ *http.Request) { header(w); fmt.Fprint(w, `{"action":"get","node":{"key`) }, "isn't one of etcd's API v2"},
		"another place":                 {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "302 Found"},
		"forbidden":                     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403 Forbidden"},
		"a refusal without any meaning": {func(w http.ResponseWriter, _ *http.Request) { header(w); w.WriteHeader(http.StatusNotFound) }, "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(test.answer)
			defer s.Close()
			d := openHere(t, nil, Options{Name: "a", Endpoints: []string{s.URL}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for verb, err := range everyVerb(ctx, d) {
				switch {
				case err == nil, errors.Is(err, dcs.ErrHeld), errors.Is(err, dcs.ErrLost), errors.Is(err, dcs.ErrConflict):
					t.Errorf("%s: %v, which is definite", verb, err)
				case !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "dcs/etcd2: ") || strings.Contains(err.Error(), "\n"):
					t.Errorf("%s: %v, want %q in it", verb, err, test.want)
				}
			}
		})
	}
}

func notFound(w http.ResponseWriter) {
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"errorCode":100,"message":"Key not found","cause":"/service","index":7}`)
}

func everyVerb(ctx context.Context, d *DCS) map[string]error {
	_, read := d.Read(ctx)
	_, acquired := d.AttemptToAcquireLeader(ctx)
	_, renewed := d.UpdateLeader(ctx, dcs.Lease{ID: "1-4"})
	_, written := d.UpdateLeader(ctx, dcs.Lease{ID: "1-4"}, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any})
	_, resumed := d.ResumeLeader(ctx, "1-4")
	_, put := d.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Absent})
	return map[string]error{
		"Read": read, "AttemptToAcquireLeader": acquired, "UpdateLeader": renewed, "UpdateLeader with a document": written,
		"ResumeLeader": resumed, "ReleaseLeader": d.ReleaseLeader(ctx, dcs.Lease{ID: "1-4"}), "Put": put,
		"Touch": d.Touch(ctx, dcs.Member{}), "Delete": d.Delete(ctx, dcs.ConfigKey, dcs.Any), "RemoveCluster": d.RemoveCluster(ctx),
	}
}

// Another etcd answers in the place of the one that was there: its empty keyspace is
// not our cluster's.
func TestAnotherStoreIsNoAnswer(t *testing.T) {
	t.Parallel()
	first, second := testenv.Etcd(t, testenv.EtcdOptions{V2: true}), testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	d := openHere(t, first, Options{Name: "a", Endpoints: []string{first.Members[0].Addr, second.Members[0].Addr}})
	l := acquireHere(t, d)
	first.Members[0].Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := d.Read(ctx)
	if err == nil || !errors.Is(err, errOtherStore) {
		t.Errorf("Read: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := d.UpdateLeader(ctx, l); err == nil || errors.Is(err, dcs.ErrLost) {
		t.Errorf("UpdateLeader: %v", err)
	}
	first.Members[0].Start()
	first.WaitHealthy(t)
	if _, err := d.UpdateLeader(t.Context(), l); err != nil {
		t.Errorf("the first store is back: %v", err)
	}
	again := openHere(t, second, Options{Name: "a"})
	if _, err := again.ResumeLeader(t.Context(), l.ID); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("the grant of another store: %v", err)
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	secured, plain := testenv.Etcd(t, testenv.EtcdOptions{V2: true, TLS: true, Password: "secret"}), testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	login, other := testenv.Etcd(t, testenv.EtcdOptions{V2: true, Password: "secret"}), testenv.Etcd(t, testenv.EtcdOptions{TLS: true})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for name, test := range map[string]struct {
		o     Options
		want  string
		login bool
	}{
		"nobody there":    {Options{Endpoints: []string{listener.Addr().String()}}, "connection refused", false},
		"wrong scheme":    {Options{Endpoints: []string{"https://" + plain.Members[0].Addr}}, "https:// are mixed up: ", false},
		"no TLS":          {Options{Endpoints: []string{"http://" + secured.Members[0].Addr}}, "https:// are mixed up: ", false},
		"wrong CA":        {Options{Endpoints: secured.Endpoints(), TLS: other.TLS}, "certificate signed by unknown authority", false},
		"no login":        {Options{Endpoints: login.Endpoints()}, "401 Unauthorized", true},
		"wrong password":  {Options{Endpoints: secured.Endpoints(), TLS: secured.TLS, Username: "regent", Password: "hunter2"}, "401 Unauthorized", true},
		"not its keys":    {Options{Endpoints: secured.Endpoints(), TLS: secured.TLS, Username: "regent", Password: "secret", Path: dcs.Path{Namespace: "db"}}, "401 Unauthorized", true},
		"two, one broken": {Options{Endpoints: []string{"https://" + plain.Members[0].Addr, listener.Addr().String()}}, "connection", false},
	} {
		t.Run(name, func(t *testing.T) {
			d := openHere(t, nil, test.o)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := d.Read(ctx)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") || IsLoginRefused(err) != test.login {
				t.Errorf("the error is: %v (login refused: %v)", err, IsLoginRefused(err))
			}
		})
	}
	d := openHere(t, secured, Options{Name: "a", TLS: secured.TLS, Username: "regent", Password: "secret", Discover: 10 * time.Millisecond})
	l := acquireHere(t, d)
	if _, err := d.UpdateLeader(t.Context(), l); err != nil {
		t.Error(err)
	}
}

// A value stands where the cluster's keys should be.
func TestTreeThatIsNone(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	d := openHere(t, server, Options{Name: "a"})
	_, err := d.attempt(t.Context(), request{method: http.MethodPut, key: d.root, form: url.Values{"value": {"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	for verb, err := range everyVerb(t.Context(), d) {
		if err == nil && verb != "Delete" && verb != "RemoveCluster" || errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrConflict) || verb == "Read" && !errors.Is(err, errNoDirectory) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	ok := Options{Endpoints: []string{"a:2379"}, Path: dcs.Path{Scope: "demo"}}
	for want, change := range map[string]func(o *Options){
		"Options.Endpoints is empty":                    func(o *Options) { o.Endpoints = nil },
		"Options.Endpoints: each must be host:port":     func(o *Options) { o.Endpoints = []string{"ftp://a"} },
		"http or https without a user":                  func(o *Options) { o.Endpoints = []string{"http://u:p@a:2379"} },
		"Options.Path.Scope is empty":                   func(o *Options) { o.Path.Scope = "/" },
		"etcd's API v2 hides what begins with _":        func(o *Options) { o.Path.Scope = "_demo" },
		`Options.Name: "a//b" can't be a key`:           func(o *Options) { o.Name = "a//b" },
		`Options.Name: "_a" can't be a key`:             func(o *Options) { o.Name = "_a" },
		"Options.Username and Options.Password must be": func(o *Options) { o.Username = "u" },
		"Options.TTL is -1s":                            func(o *Options) { o.TTL = -time.Second },
	} {
		o := ok
		change(&o)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// The store keeps the last 1000 events of all its keys.
func TestWatchWhoseEventsAreForgotten(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	d := openHere(t, server, Options{Name: "a"})
	for range 1100 {
		if _, err := d.Put(t.Context(), dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
			t.Fatal(err)
		}
	}
	none := func() {}
	if _, err := d.poll(t.Context(), d.servers.first(), 1, true, none, none); !errors.Is(err, errCleared) {
		t.Errorf("got %v", err)
	}
}

// Renewals wake nobody who watches, as a renewal has no news.
func TestRenewalsAndEntriesAreSilent(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	d := openHere(t, server, Options{Name: "a"})
	ctx := t.Context()
	l := acquireHere(t, d)
	m := dcs.Member{State: "running"}
	if err := d.Touch(ctx, m); err != nil {
		t.Fatal(err)
	}
	hints := d.Watch(ctx)
	<-hints
	for range 20 {
		if _, err := d.UpdateLeader(ctx, l); err != nil {
			t.Fatal(err)
		}
		if err := d.Touch(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-hints:
		t.Error("a hint without news")
	case <-time.After(500 * time.Millisecond):
	}
	m.State = "stopped"
	if err := d.Touch(ctx, m); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints:
	case <-time.After(20 * time.Second):
		t.Error("no hint of an entry that changed")
	}
}

// One of three servers stands still with its connections open: the others answer.
func TestOneServerStandsStill(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3, V2: true})
	a, b := openHere(t, server, Options{Name: "a", TTL: 10 * time.Second}), openHere(t, server, Options{Name: "b", TTL: 10 * time.Second})
	l := acquireHere(t, a)
	hints := b.Watch(t.Context())
	<-hints
	server.Members[0].Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := a.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Absent}); err != nil {
		t.Error(err)
	}
	if _, err := a.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Absent}); err != nil {
		t.Error(err)
	}
	select {
	case <-hints: // the watch stands elsewhere
	case <-time.After(30 * time.Second):
		t.Error("the watch stays with a server that is silent")
	}
}

func TestMemoryStaysFlat(t *testing.T) {
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	proxy := testenv.NewProxy(t, server.Members[0].Addr)
	d := openHere(t, server, Options{Name: "a", Endpoints: []string{proxy.Addr}})
	l := acquireHere(t, d)
	used := func(renewals int) (bytes uint64, goroutines int) {
		for i := range renewals {
			if i%100 == 50 { // connections come and go
				proxy.Cut(testenv.Close)
				proxy.Heal()
			}
			if _, err := d.UpdateLeader(t.Context(), l, dcs.Write{Key: dcs.StatusKey, Value: fmt.Append(nil, i), Prev: dcs.Any}); err != nil {
				t.Fatal(err)
			}
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	before, goroutines := used(200)
	after, now := used(800)
	if after > before+1<<20 || now > goroutines+10 {
		t.Errorf("%d bytes and %d goroutines became %d and %d in 800 renewals", before, goroutines, after, now)
	}
}
