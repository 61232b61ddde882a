package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// storeTimeout bounds one question to a member of the store.
const storeTimeout = time.Second

// etcd is the client of a store that is etcd.
func (s *Store) etcd() (*clientv3.Client, error) {
	b, ok := s.backend.(*etcdStore)
	if !ok {
		return nil, errors.New("lab: the store isn't etcd, which alone tells who leads it")
	}
	return b.client, nil
}

// Leader is the node on whose host the store's leader is, with
// Options.Colocated, as that member itself says.
func (s *Store) Leader(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	client, err := s.etcd()
	if err != nil {
		return nil, err
	}
	for _, n := range s.lab.Nodes {
		if n.store == nil || n.store.process.ended() {
			continue
		}
		status, err := client.Status(ctx, n.store.addr)
		if err == nil && status.Leader == status.Header.MemberId {
			return n, nil
		}
	}
	return nil, errors.New("no member of the store leads it")
}

// Lead makes the member on n's host the store's leader, which takes
// Options.Colocated.
func (s *Store) Lead(ctx context.Context, n *Node) error {
	now, err := s.Leader(ctx)
	if err != nil || now == n {
		return err
	}
	client, err := s.etcd()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	status, err := client.Status(ctx, n.store.addr)
	if err != nil {
		return fmt.Errorf("lab: store: %w", err)
	}
	client.SetEndpoints(now.store.addr) // only the leader takes this request
	defer client.SetEndpoints(s.Endpoints...)
	if _, err := client.MoveLeader(ctx, status.Header.MemberId); err != nil {
		return fmt.Errorf("lab: store: move the leadership from %s to %s: %w", now.Name, n.Name, err)
	}
	return nil
}

// StoreLog is the path of what the member of the store on the node's host says.
func (n *Node) StoreLog() string { return n.store.log }
