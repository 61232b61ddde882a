package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// closing is open for a handle that ends with the test.
func closing(t *testing.T, server *testenv.ZooKeeperCluster, o zookeeper.Options) *zookeeper.DCS {
	t.Helper()
	if o.Path.Scope == "" {
		o.Path.Scope = "demo"
	}
	d := open(t, server, o)
	t.Cleanup(func() { d.Close() })
	return d
}

func TestServerClampsTTL(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{MaxSession: 20 * time.Second})
	var log strings.Builder
	d := closing(t, server, zookeeper.Options{Name: "a", TTL: time.Minute, Logger: textLogger(&log)})
	l := storetest.Life(t, d)
	if l.For != 20*time.Second {
		t.Errorf("For is %v, want 20s, which is all that the server grants", l.For)
	}
	if again, err := d.UpdateLeader(storetest.Patient(t), l); err != nil || again.ID != l.ID {
		t.Errorf("the next renewal: %+v, %v", again, err)
	}
	if text := log.String(); strings.Count(text, "the store grants less than ttl") != 1 {
		t.Errorf("the log is: %s", text)
	}
}

// A member has a session for its entry, one for the leader key and one for the
// rest, also after many renewals, refusals and changes of the TTL.
func TestSessionsDoNotPileUp(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	a := closing(t, server, zookeeper.Options{Name: "a", TTL: time.Minute})
	b := closing(t, server, zookeeper.Options{Name: "b", TTL: time.Minute})
	count := func(context.Context) (int, error) { return server.Members[0].Sessions(t), nil }
	storetest.CheckCounts(t, a, b, time.Minute, count, storetest.Counts{Renewed: 3, Refused: 3, Moved: 3, Released: 2, Acquired: 3})
	a.Close()
	b.Close()
	testenv.Eventually(t, storetest.Patience, "handles that are closed to keep the entry and the key", func() error {
		if n := server.Members[0].Sessions(t); n != 2 {
			return fmt.Errorf("%d sessions", n)
		}
		return nil
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	only := zk.DigestACL(zk.PermAll, "regent", "hunter2")[0]
	acl := []zookeeper.ACL{{Scheme: only.Scheme, ID: only.ID, Perms: zookeeper.All}}
	d := closing(t, server, zookeeper.Options{Name: "a", ACL: acl, Auth: []zookeeper.Auth{{Scheme: "digest", Credential: "regent:hunter2"}}})
	storetest.Life(t, d)
	stranger := closing(t, server, zookeeper.Options{Name: "b", Auth: []zookeeper.Auth{{Scheme: "digest", Credential: "regent:wrong2"}}})
	ctx := storetest.Patient(t)
	_, errRead := stranger.Read(ctx)
	_, errPut := stranger.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
	_, errAcquire := stranger.AttemptToAcquireLeader(ctx)
	for err, want := range map[error]string{
		errRead:    "dcs/zookeeper: read /service/demo: /service/demo: permission denied",
		errPut:     "dcs/zookeeper: put config: /service/demo: permission denied",
		errAcquire: "dcs/zookeeper: acquire the leader key: /service/demo: permission denied",
		stranger.Touch(ctx, dcs.Member{State: "running"}): "dcs/zookeeper: touch: /service/demo/members/b: permission denied",
		stranger.RemoveCluster(ctx):                       "dcs/zookeeper: remove /service/demo: /service/demo: permission denied",
	} {
		if err == nil || err.Error() != want || !zookeeper.IsLoginRefused(err) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	unknown := closing(t, server, zookeeper.Options{Auth: []zookeeper.Auth{{Scheme: "none", Credential: "hunter2"}}})
	if _, err := unknown.Read(ctx); err == nil || strings.Contains(err.Error(), "hunter2") || !zookeeper.IsLoginRefused(err) {
		t.Errorf("an unknown scheme: %v", err)
	}
}

// One node that may not be read makes no cluster without it.
func TestNodeThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	d := closing(t, server, zookeeper.Options{Name: "a"})
	storetest.Life(t, d)
	if _, err := server.Client(t).Create("/service/demo/config", []byte("{}"), 0, zk.DigestACL(zk.PermAll, "u", "p")); err != nil {
		t.Fatal(err)
	}
	const want = "dcs/zookeeper: read /service/demo: /service/demo/config: permission denied"
	if _, err := d.Read(storetest.Patient(t)); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWhatIsNoZooKeeper(t *testing.T) {
	t.Parallel()
	serve := func(handle func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		t.Cleanup(func() { l.Close(); <-done })
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				handle(c)
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	request := func(c net.Conn) { c.Read(make([]byte, 64)) }
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"a web server": {func(c net.Conn) { request(c); fmt.Fprintf(c, "HTTP/1.1 400 %s\r\n\r\n", http.StatusText(400)) }, "isn't ZooKeeper's"},
		"nobody":       {func(c net.Conn) {}, "closed the connection at once"},
		"half a reply": {func(c net.Conn) { request(c); c.Write([]byte{0, 0, 0, 37, 0, 0}) }, "closed the connection at once"},
		"a short one":  {func(c net.Conn) { request(c); c.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0}) }, "isn't ZooKeeper's"},
		"no timeout": {func(c net.Conn) {
			request(c)
			c.Write(append([]byte{0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 16}, make([]byte, 17)...))
		}, "doesn't say how long the session lasts"},
	} {
		addr := serve(c.handle)
		d, err := zookeeper.Open(zookeeper.Options{Servers: []string{addr}, Path: dcs.Path{Scope: "demo"}, Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.AttemptToAcquireLeader(storetest.Within(t, 2*time.Second))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "acquire the leader key: "+addr) {
			t.Errorf("%s: got %v", name, err)
		}
		d.Close()
	}
}

// What Patroni or a person wrote reads as it is; what isn't a document doesn't.
func TestForeignTree(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	raw := server.Client(t)
	for _, n := range [][2]string{
		{"/service"}, {"/service/demo"}, {"/service/demo/members"}, {"/service/demo/members/gone%", "{}"}, {"/service/demo/optime"},
		{"/service/demo/optime/leader", "42"}, {"/service/demo/config", `{"ttl":`}, {"/service/demo/initialize"},
		{"/service/demo/odd"}, {"/service/demo/odd/one", "x"},
	} {
		if _, err := raw.Create(n[0], []byte(n[1]), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(n[0], err)
		}
	}
	if _, err := raw.Create("/service/demo/leader", []byte("old"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	d := closing(t, server, zookeeper.Options{Name: "a"})
	s, err := d.Read(storetest.Patient(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[dcs.Key]string{"config": `{"ttl":`, "initialize": "", "optime/leader": "42", "odd/one": "x", "members/gone%": "{}"}
	for key, value := range want {
		if doc, ok := s.Documents[key]; !ok || string(doc.Value) != value {
			t.Errorf("%s is %q (there: %v)", key, doc.Value, ok)
		}
	}
	if len(s.Documents) != len(want) || s.Leader == nil || s.Leader.Name != "old" || s.Leader.Grant != fmt.Sprintf("%x", raw.SessionID()) || s.Leader.Lineage == "" {
		t.Errorf("read %+v, holder %+v", s.Documents, s.Leader)
	}
	if _, err := d.AttemptToAcquireLeader(storetest.Patient(t)); !errors.Is(err, dcs.ErrHeld) {
		t.Errorf("got %v, want ErrHeld", err)
	}
}

func TestOptions(t *testing.T) {
	good := zookeeper.Options{Servers: []string{"127.0.0.1:1"}, Path: dcs.Path{Scope: "demo"}}
	for field, change := range map[string]func(*zookeeper.Options){
		"Servers":                  func(o *zookeeper.Options) { o.Servers = nil },
		"host:port":                func(o *zookeeper.Options) { o.Servers = []string{"http://127.0.0.1"} },
		"Chroot":                   func(o *zookeeper.Options) { o.Chroot = "app" },
		"Path.Scope":               func(o *zookeeper.Options) { o.Path.Scope = "/" },
		"Auth":                     func(o *zookeeper.Options) { o.Auth = []zookeeper.Auth{{Scheme: "digest"}} },
		"ACL":                      func(o *zookeeper.Options) { o.ACL = []zookeeper.ACL{{Scheme: "digest", ID: "x", Perms: 64}} },
		"Exhibitor.Addrs is empty": func(o *zookeeper.Options) { o.Exhibitor = &zookeeper.Exhibitor{} },
		"Exhibitor.Addrs: one":     func(o *zookeeper.Options) { o.Exhibitor = &zookeeper.Exhibitor{Addrs: []string{"a"}} },
		"TTL":                      func(o *zookeeper.Options) { o.TTL = -1 },
	} {
		o := good
		change(&o)
		if _, err := zookeeper.Open(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	d, err := zookeeper.Open(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
