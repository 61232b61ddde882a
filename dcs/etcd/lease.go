package etcd

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// grant is a lease on the server, the zero grant being none.
type grant struct {
	id     clientv3.LeaseID
	wanted int64 // the TTL that was asked for, in seconds; 0: by somebody else
	since  clock.Instant
	ttl    time.Duration // the TTL that the server gave
	term   uint64        // raft term of the answer that extended it; 0: it went through raft
}

func (g grant) lease() dcs.Lease {
	return dcs.Lease{ID: grantID(g.id), Since: g.since, For: g.ttl}
}

// over says that the lease may have ended.
func (g grant) over(now clock.Instant) bool { return !now.Before(g.since.Add(g.ttl)) }

func grantID(id clientv3.LeaseID) string { return strconv.FormatInt(int64(id), 16) }

// parseGrantID is the inverse of grantID; ok is false for what names no lease.
func parseGrantID(s string) (id clientv3.LeaseID, ok bool) {
	n, err := strconv.ParseInt(s, 16, 64)
	return clientv3.LeaseID(n), err == nil && n > 0 && grantID(clientv3.LeaseID(n)) == s
}

// newGrant asks for a lease with the TTL that holds now.
func (d *DCS) newGrant(ctx context.Context) (grant, error) {
	g := grant{wanted: d.wantedTTL()}
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		since := d.clock.Now()
		answer, err := client.Grant(ctx, g.wanted)
		if err != nil {
			return err
		}
		g.id, g.since, g.ttl = answer.ID, since, time.Duration(answer.TTL)*time.Second
		return nil
	})
	return g, err
}

// errLeaseGone is the server's word that a lease is no more.
var errLeaseGone = errors.New("the lease has ended on the server")

// keepAlive extends a lease once. A server's leader that was deposed without
// knowing it answers as well: see confirmed.
func (d *DCS) keepAlive(ctx context.Context, g grant) (grant, error) {
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
		since := d.clock.Now()
		answer, err := keepAliveOnce(ctx, client, g.id)
		if err != nil {
			return err
		}
		if answer.TTL <= 0 {
			return errLeaseGone
		}
		g.since, g.ttl, g.term = since, time.Duration(answer.TTL)*time.Second, answer.Header.GetRaftTerm()
		return nil
	})
	if isLeaseNotFound(err) {
		err = errLeaseGone
	}
	return g, err
}

// keepAliveOnce is one request and one answer. The library's function of that
// name would ask again and again, without a pause and without our clock.
func keepAliveOnce(ctx context.Context, client *clientv3.Client, id clientv3.LeaseID) (*pb.LeaseKeepAliveResponse, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	stream, err := pb.NewLeaseClient(client.ActiveConnection()).LeaseKeepAlive(ctx, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil && !errors.Is(err, io.EOF) { // after io.EOF Recv tells the reason
		return nil, err
	}
	return stream.Recv()
}

// confirmed says that the extension of g was real, given the raft term of a
// linearizable answer to a request that was sent after it. With the same term in
// both, who extended the lease led for the whole time in between; with another,
// the lease may have been extended by a leader that had been deposed.
func (g grant) confirmed(term uint64) bool { return g.term == 0 || g.term == term }

// revoke ends a lease that nothing needs any more. It is best effort: an
// unneeded lease ends by itself.
func (d *DCS) revoke(ctx context.Context, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	d.once(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Revoke(ctx, id)
		return err
	})
}
