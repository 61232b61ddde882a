package lab

import (
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd2"
	"github.com/regent-ha/regent/internal/servers"
)

// EtcdV2 is servers of etcd's own program, of a version that has API v2, which
// the members use.
func EtcdV2(program string) StoreKind {
	return etcd2Kind{etcdKind{func(m servers.EtcdMember) []string {
		m.V2 = true
		return m.Args(program)
	}}}
}

type etcd2Kind struct{ server etcdKind }

func (etcd2Kind) Least() dcs.Timing { return common }

// Succession: keys are put for a second longer than the lease, and end when the
// server next looks for them.
func (etcd2Kind) Succession(ttl time.Duration) time.Duration { return ttl + 1600*time.Millisecond }

func (k etcd2Kind) build(s site) (backend, error) {
	b, err := k.server.build(s)
	return etcd2Store{b}, err
}

// etcd2Store is the same server, by the other API.
type etcd2Store struct{ backend }

func (b etcd2Store) open(path dcs.Path, ttl time.Duration) (dcs.DCS, error) {
	return etcd2.Open(etcd2.Options{Endpoints: b.endpoints(), Path: path, TTL: ttl})
}

func (b etcd2Store) member(_, _, link string) (membership, error) {
	return membership{section: map[string]any{"etcd": etcdSection(link)}}, nil
}
