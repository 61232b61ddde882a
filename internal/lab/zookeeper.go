package lab

import (
	"context"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/servers"
)

// ZooKeeper is one server of Debian's ZooKeeper, run by this Java.
func ZooKeeper(java string) StoreKind { return zookeeperKind{java} }

type zookeeperKind struct{ java string }

func (zookeeperKind) Least() dcs.Timing { return common }

// Succession: the server rounds the end of a session up to its next tick.
func (zookeeperKind) Succession(ttl time.Duration) time.Duration { return ttl + 200*time.Millisecond }

func (k zookeeperKind) build(s site) (backend, error) {
	addrs, err := s.alone(1)
	if err != nil {
		return nil, err
	}
	argv, err := servers.ZooKeeperServer{Dir: s.folder("zookeeper"), Addr: addrs[0]}.Args(k.java)
	return &zookeeperStore{addr: addrs[0], argv: argv}, err
}

type zookeeperStore struct {
	unprepared
	addr string
	argv []string
}

func (b *zookeeperStore) servers() []server { return []server{{"zookeeper", b.addr, b.argv}} }

func (b *zookeeperStore) endpoints() []string { return []string{b.addr} }

func (b *zookeeperStore) ready(context.Context) error {
	_, err := servers.ZooKeeperMode(b.addr, nil)
	return err
}

func (b *zookeeperStore) open(path dcs.Path, ttl time.Duration) (dcs.DCS, error) {
	return zookeeper.Open(zookeeper.Options{Servers: []string{b.addr}, Path: path, TTL: ttl})
}

func (b *zookeeperStore) member(_, _, link string) (membership, error) {
	return membership{section: map[string]any{"zookeeper": map[string]any{"hosts": []string{link}}}}, nil
}

func (b *zookeeperStore) close() {}
