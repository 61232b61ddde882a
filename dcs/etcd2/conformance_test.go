package etcd2_test

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/etcd2"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestConformance(t *testing.T) {
	for name, members := range map[string]int{"one member": 1, "three members": 3} {
		t.Run(name, func(t *testing.T) { dcstest.Run(t, harness(members)) })
	}
}

func TestSoak(t *testing.T) { dcstest.Soak(t, harness(1)) }

func harness(members int) dcstest.Harness {
	return dcstest.Harness{
		Start:  func(tb testing.TB) dcstest.Store { return startStore(tb, members) },
		MinTTL: 2 * time.Second,
		// The key is put for a second longer than the lease says, and expired keys
		// are looked for twice in a second.
		Late:    2 * time.Second,
		Largest: 1 << 20,
		// A key can't be a directory as well: "a" excludes "a/b".
		Names: []string{"a", "a b", "node-0.example.org", "ü", "c/d", "%2F", "members"},
		// There are no transactions over keys.
		ClaimsDocuments: true,
		// A key has an end, and no TTL.
		ForgetsTTL: true,
		// An answer that is waited for doesn't say up to where it has waited.
		Unproven: true,
	}
}

func startStore(tb testing.TB, members int) dcstest.Store {
	server := testenv.Etcd(tb, testenv.EtcdOptions{Members: members, V2: true})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return open(tb, server, etcd2.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			proxy := testenv.NewProxy(tb, server.Members[0].Addr)
			d := open(tb, server, etcd2.Options{Endpoints: []string{proxy.Addr}, Path: o.Path, Name: o.Name, TTL: o.TTL})
			return d, testenv.Link{Proxy: proxy}
		},
		Server: storetest.Processes[*testenv.EtcdMember]{All: server.Members, Serve: func() { server.WaitHealthy(tb) }},
	}
}

// open returns a handle; the server's endpoints are used unless o has some.
func open(tb testing.TB, server *testenv.EtcdCluster, o etcd2.Options) *etcd2.DCS {
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
	d, err := etcd2.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}
