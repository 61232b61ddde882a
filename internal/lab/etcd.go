package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/servers"
)

// Etcd is servers of etcd's own program.
func Etcd(program string) StoreKind {
	return etcdKind{func(m servers.EtcdMember) []string { return m.Args(program) }}
}

// RegentStore is servers of cmd/regent-store.
func RegentStore(program string) StoreKind {
	return etcdKind{func(m servers.EtcdMember) []string { return m.RegentStoreArgs(program) }}
}

type etcdKind struct {
	args func(servers.EtcdMember) []string
}

func (etcdKind) Least() dcs.Timing {
	return dcs.Timing{TTL: 5 * time.Second, LoopWait: time.Second, RetryTimeout: time.Second}
}

// Succession: leases that have ended are looked for twice a second.
func (etcdKind) Succession(ttl time.Duration) time.Duration { return ttl + 500*time.Millisecond }

func (k etcdKind) build(s site) (backend, error) {
	b := &etcdStore{}
	var members []servers.EtcdMember
	var initial []string
	for i := range s.members {
		addrs, err := s.addresses(i, 2)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("etcd%d", i+1)
		m := servers.EtcdMember{Name: name, Dir: s.folder(name), Client: "http://" + addrs[0], Peer: "http://" + addrs[1], Token: s.scope}
		b.addrs, members, initial = append(b.addrs, addrs[0]), append(members, m), append(initial, name+"="+m.Peer)
	}
	for i, m := range members {
		m.InitialCluster = strings.Join(initial, ",")
		b.processes = append(b.processes, server{m.Name, b.addrs[i], k.args(m)})
	}
	var err error
	b.client, err = clientv3.New(clientv3.Config{
		Endpoints: b.addrs, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{grpc.WithIdleTimeout(0)},
	})
	return b, err
}

type etcdStore struct {
	unprepared
	addrs     []string
	processes []server
	client    *clientv3.Client
}

func (b *etcdStore) servers() []server { return b.processes }

func (b *etcdStore) endpoints() []string { return b.addrs }

func (b *etcdStore) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := b.client.Get(ctx, "/service/") // linearizable: a majority was asked
	return err
}

func (b *etcdStore) open(path dcs.Path, ttl time.Duration) (dcs.DCS, error) {
	return etcd.Open(etcd.Options{Endpoints: b.addrs, Path: path, TTL: ttl})
}

func (b *etcdStore) member(_, _, link string) (membership, error) {
	return membership{section: map[string]any{"etcd3": etcdSection(link)}}, nil
}

// etcdSection names the link alone: what the server advertises leads past it.
func etcdSection(link string) map[string]any {
	return map[string]any{"hosts": []string{link}, "use_proxies": true}
}

func (b *etcdStore) close() { b.client.Close() }
