package etcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) { dcstest.Run(t, harness(startStore)) }

func TestSoak(t *testing.T) { dcstest.Soak(t, harness(startStore)) }

func harness(start func(testing.TB) dcstest.Store) dcstest.Harness {
	return dcstest.Harness{
		Start:   start,
		MinTTL:  2 * time.Second, // what servers with default timeouts grant at least
		Late:    time.Second,
		Largest: 1 << 20, // of etcd's 1.5 MiB for a request
	}
}

func startStore(tb testing.TB) dcstest.Store {
	server := testenv.Etcd(tb, testenv.EtcdOptions{})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return open(tb, server, etcd.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			proxy := testenv.NewProxy(tb, server.Members[0].Addr)
			d := open(tb, server, etcd.Options{Endpoints: []string{proxy.Addr}, Path: o.Path, Name: o.Name, TTL: o.TTL})
			return d, testenv.Link{Proxy: proxy}
		},
		Left:   func(tb testing.TB) []string { return leases(tb, server) },
		Server: storetest.Processes[*testenv.EtcdMember]{All: server.Members, Serve: func() { server.WaitHealthy(tb) }},
	}
}

// open returns a handle; the server's endpoints are used unless o has some.
func open(tb testing.TB, server *testenv.EtcdCluster, o etcd.Options) *etcd.DCS {
	tb.Helper()
	if o.Endpoints == nil {
		o.Endpoints = server.Endpoints()
	}
	if o.TLS == nil {
		o.TLS = server.TLS
	}
	if o.Username == "" {
		o.Username, o.Password = server.Username, server.Password
	}
	d, err := etcd.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// leases are the names of those that the server keeps.
func leases(tb testing.TB, server *testenv.EtcdCluster) (names []string) {
	tb.Helper()
	client := server.Client(tb)
	defer client.Close()
	answer, err := client.Leases(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	for _, l := range answer.Leases {
		names = append(names, fmt.Sprintf("lease %x", l.ID))
	}
	return names
}
