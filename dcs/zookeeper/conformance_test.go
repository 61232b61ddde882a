package zookeeper_test

import (
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) { dcstest.Run(t, harness) }

func TestSoak(t *testing.T) { dcstest.Soak(t, harness) }

var harness = dcstest.Harness{
	Start:  startStore,
	MinTTL: 3 * time.Second, // the test's servers grant less, in which little can be told
	// Sessions end in steps of a tick, which is 200 ms here, after the last one of
	// their timeout.
	Late:    time.Second,
	Largest: 1000 << 10, // of the 1 MiB less a byte that servers take as a request (jute.maxbuffer)
}

func startStore(tb testing.TB) dcstest.Store {
	server := testenv.ZooKeeper(tb, testenv.ZooKeeperOptions{})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return open(tb, server, zookeeper.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			proxy := testenv.NewProxy(tb, server.Members[0].Addr)
			d := open(tb, server, zookeeper.Options{Servers: []string{proxy.Addr}, Path: o.Path, Name: o.Name, TTL: o.TTL})
			return d, testenv.Link{Proxy: proxy}
		},
		Left: func(tb testing.TB) (sessions []string) {
			for n := range server.Members[0].Sessions(tb) {
				sessions = append(sessions, "session "+strconv.Itoa(n+1))
			}
			return sessions
		},
		Server: storetest.Processes[*testenv.ZooKeeperMember]{All: server.Members, Serve: func() { server.WaitHealthy(tb) }},
	}
}

// open returns a handle; the ensemble's servers are used unless o has some.
func open(tb testing.TB, server *testenv.ZooKeeperCluster, o zookeeper.Options) *zookeeper.DCS {
	tb.Helper()
	if o.Servers == nil {
		o.Servers = server.Servers()
	}
	if o.TLS == nil {
		o.TLS = server.TLS
	}
	d, err := zookeeper.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
