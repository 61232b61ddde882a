package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// storeTimeout bounds one question to a member of the store.
const storeTimeout = time.Second

// Leader is the node on whose host the store's leader is, with
// Options.Colocated, as that member itself says.
func (s *Store) Leader(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, n := range s.lab.Nodes {
		if n.store == nil || n.store.process.ended() {
			continue
		}
		status, err := s.client.Status(ctx, n.store.Client)
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
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	status, err := s.client.Status(ctx, n.store.Client)
	if err != nil {
		return fmt.Errorf("lab: store: %w", err)
	}
	s.client.SetEndpoints(now.store.Client) // only the leader takes this request
	defer s.client.SetEndpoints(s.Endpoints...)
	if _, err := s.client.MoveLeader(ctx, status.Header.MemberId); err != nil {
		return fmt.Errorf("lab: store: move the leadership from %s to %s: %w", now.Name, n.Name, err)
	}
	return nil
}

// Log is the path of what the member of the store on the node's host says.
func (n *Node) StoreLog() string { return n.store.Dir + ".log" }
