package consul_test

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) { dcstest.Run(t, harness) }

func TestSoak(t *testing.T) { dcstest.Soak(t, harness) }

var harness = dcstest.Harness{
	Start:   startStore,
	MinTTL:  4 * time.Second,
	Late:    3 * time.Second, // sessions of 2 s end after 4 s
	Delay:   2 * time.Second, // the lock delay
	Largest: 256 << 10,       // of half a megabyte for a request, in base64
}

func startStore(tb testing.TB) dcstest.Store {
	server := testenv.Consul(tb, testenv.ConsulOptions{})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return open(tb, server, consul.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			proxy := testenv.NewProxy(tb, server.Servers[0].Addr)
			d := open(tb, server, consul.Options{Address: proxy.Addr, Path: o.Path, Name: o.Name, TTL: o.TTL})
			return d, testenv.Link{Proxy: proxy}
		},
		Left:   func(tb testing.TB) []string { return sessions(tb, server) },
		Server: storetest.Processes[*testenv.ConsulAgent]{All: server.Servers, Serve: func() { server.WaitHealthy(tb) }},
	}
}

// sessions are the IDs of those that the servers keep.
func sessions(tb testing.TB, server *testenv.ConsulCluster) (ids []string) {
	tb.Helper()
	list, _, err := server.Client(tb, server.Servers[0]).Session().List(nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// open returns a handle; the first server is its agent unless o names another.
func open(tb testing.TB, server *testenv.ConsulCluster, o consul.Options) *consul.DCS {
	tb.Helper()
	if o.Address == "" {
		o.Address = server.Servers[0].Addr
	}
	if o.TLS == nil {
		o.TLS = server.TLS
	}
	if o.Token == "" {
		o.Token = server.Token
	}
	d, err := consul.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}
