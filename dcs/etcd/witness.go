package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// witness remembers which cluster has answered and the highest raft term that it
// answered in. What comes from another cluster, or from a server that is behind
// that term, is no answer: somebody else's store says nothing about our lease,
// and a server that was cut off, or came back from a backup, doesn't know who
// leads now.
//
// It never forgets: that a store was made anew or restored is a decision of
// people, who start the members again.
type witness struct {
	log *slog.Logger

	mu      sync.Mutex
	cluster uint64            // 0: nobody has answered yet
	term    uint64            // the highest seen
	doubted map[string]string // by server, as it was logged
}

// headed is every answer of etcd.
type headed interface{ GetHeader() *pb.ResponseHeader }

// highest is the term below which no answer counts to a request that is sent
// from now on.
func (w *witness) highest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.term
}

// check says whether what a server answered counts, for a request that was sent
// when before was the highest term. An answer may be overtaken by one of a higher
// term: that alone makes no server stale.
func (w *witness) check(server *peer.Peer, answer any, before uint64) error {
	a, ok := answer.(headed)
	if !ok || a.GetHeader().GetClusterId() == 0 { // the answer to a login has none
		return nil
	}
	cluster, term := a.GetHeader().ClusterId, a.GetHeader().RaftTerm
	name := nameOf(server)
	w.mu.Lock()
	defer w.mu.Unlock()
	var doubt string
	switch {
	case w.cluster != 0 && cluster != w.cluster:
		doubt = fmt.Sprintf("%s is of another store: its cluster ID is %x, that of the store so far %x", name, cluster, w.cluster)
	case term != 0 && term < before: // 0: it has just been started
		doubt = fmt.Sprintf("%s is behind the store, or was restored from a backup: its raft term is %d, one of %d was seen", name, term, before)
	default:
		w.cluster, w.term = cluster, max(w.term, term)
		delete(w.doubted, name)
		return nil
	}
	if w.doubted[name] == "" {
		w.log.Warn("a server's answers don't count; if the store was made anew or restored, start this agent again", "reason", doubt)
	}
	w.doubted[name] = doubt
	return status.Error(codes.Unavailable, doubt)
}

// refusal is the error that a server answered with, which tells nothing of whose
// it is, or that it doesn't count: the server's last answer didn't.
func (w *witness) refusal(server *peer.Peer, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if doubt := w.doubted[nameOf(server)]; doubt != "" {
		return status.Error(codes.Unavailable, doubt)
	}
	return err
}

func nameOf(server *peer.Peer) string {
	if server == nil || server.Addr == nil {
		return "a server"
	}
	return server.Addr.String()
}

// unary is a grpc.UnaryClientInterceptor.
func (w *witness) unary(ctx context.Context, method string, ask, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	if method == pb.Maintenance_Status_FullMethodName {
		return invoke(ctx, method, ask, answer, conn, o...) // asks who a server is
	}
	var server peer.Peer
	before := w.highest()
	if err := invoke(ctx, method, ask, answer, conn, append(o, grpc.Peer(&server))...); err != nil {
		return w.refusal(&server, err)
	}
	return w.check(&server, answer, before)
}

// stream is a grpc.StreamClientInterceptor.
func (w *witness) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
	before := w.highest()
	s, err := open(ctx, desc, conn, method, o...)
	if err != nil {
		return nil, err
	}
	return &witnessed{ClientStream: s, witness: w, before: before}, nil
}

// witnessed is a stream whose answers are checked.
type witnessed struct {
	grpc.ClientStream
	witness *witness
	before  uint64
}

func (s *witnessed) RecvMsg(answer any) error {
	err := s.ClientStream.RecvMsg(answer)
	server, _ := peer.FromContext(s.Context())
	if err != nil {
		return s.witness.refusal(server, err)
	}
	return s.witness.check(server, answer, s.before)
}
