package etcd

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// deposing is as much of a server as a renewal asks, whose raft term moves on
// between its answers.
type deposing struct {
	pb.UnimplementedKVServer
	pb.UnimplementedLeaseServer

	mu    sync.Mutex
	terms []uint64        // of the answers to come; the last one stays
	kept  []clock.Instant // when a keep-alive was answered
	txns  int
}

func (s *deposing) header() *pb.ResponseHeader {
	term := s.terms[0]
	if len(s.terms) > 1 {
		s.terms = s.terms[1:]
	}
	return &pb.ResponseHeader{RaftTerm: term, Revision: 1}
}

func (s *deposing) LeaseKeepAlive(stream pb.Lease_LeaseKeepAliveServer) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil
		}
		s.mu.Lock()
		s.kept = append(s.kept, clock.System().Now())
		answer := &pb.LeaseKeepAliveResponse{Header: s.header(), ID: r.ID, TTL: 10}
		s.mu.Unlock()
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func (s *deposing) Txn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txns++
	return &pb.TxnResponse{Header: s.header(), Succeeded: true}, nil
}

func TestExtensionOfAnotherTermDoesNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		terms      []uint64
		keepAlives int
	}{
		"the same term":           {terms: []uint64{5}, keepAlives: 1},
		"deposed in between":      {terms: []uint64{5, 6}, keepAlives: 2},
		"deposed again and again": {terms: []uint64{5, 6, 7, 8, 8}, keepAlives: 3},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			fake, server := &deposing{terms: c.terms}, grpc.NewServer()
			pb.RegisterKVServer(server, fake)
			pb.RegisterLeaseServer(server, fake)
			serving := make(chan error)
			go func() { serving <- server.Serve(listener) }()
			defer func() { server.Stop(); <-serving }()
			d, err := Open(Options{Endpoints: []string{listener.Addr().String()}, Path: dcs.Path{Scope: "demo"}, Name: "a"})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()

			l, err := d.UpdateLeader(ctx, dcs.Lease{ID: "abc"})
			if err != nil || l.For != 10*time.Second {
				t.Fatalf("got %+v, %v", l, err)
			}
			if len(fake.kept) != c.keepAlives || fake.txns != c.keepAlives {
				t.Errorf("%d keep-alives and %d transactions, want %d of each", len(fake.kept), fake.txns, c.keepAlives)
			}
			last := fake.kept[len(fake.kept)-1]
			if l.Since.After(last) || len(fake.kept) > 1 && l.Since.Before(fake.kept[len(fake.kept)-2]) {
				t.Errorf("Since is %v before the last keep-alive was answered, not the instant it was sent", last.Sub(l.Since))
			}
		})
	}
}
