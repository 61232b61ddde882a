package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// pingAfter is gRPC's minimum: a connection this long silent is probed.
	pingAfter = 10 * time.Second
	// giveUpAfter ends a connection whose probe, or on Linux whose data, nobody
	// acknowledged (TCP_USER_TIMEOUT).
	giveUpAfter = 2 * time.Second
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 2 * time.Second
	// longestPause lies between attempts, to connect or to ask again.
	longestPause = 500 * time.Millisecond
)

// dial makes the client; it connects with the first request.
func dial(o Options, s *session) (*clientv3.Client, error) {
	w := &witness{log: o.Logger, doubted: map[string]string{}}
	noted := obstacles{tls: o.TLS != nil}
	return clientv3.New(clientv3.Config{
		Endpoints:            o.Endpoints,
		DialKeepAliveTime:    pingAfter,
		DialKeepAliveTimeout: giveUpAfter,
		TLS:                  o.TLS,
		Logger:               zap.NewNop(),
		MaxUnaryRetries:      1, // none: we know better what may be repeated
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestPause},
				MinConnectTimeout: connectTimeout,
			}),
			grpc.WithPerRPCCredentials(s),
			grpc.WithChainUnaryInterceptor(noted.unary, w.unary),
			grpc.WithChainStreamInterceptor(noted.stream, w.stream),
		},
	})
}

// request is something to ask a server.
type request func(ctx context.Context, client *clientv3.Client) error

// attempt makes a request until it has an answer, good or bad, or ctx ends: it
// may be carried out more than once.
func (d *DCS) attempt(ctx context.Context, r request) (err error) {
	var obstacle string
	ctx = context.WithValue(ctx, obstacleKey{}, &obstacle)
	defer func() {
		if err != nil && ctx.Err() != nil && obstacle != "" {
			if _, known := noConnection(err); known {
				err = context.Cause(ctx)
			}
			err = fmt.Errorf("%s: %w", obstacle, err)
		}
	}()
	pause := 20 * time.Millisecond
	// Each attempt may take longer than the one before: where all servers are slow,
	// the next one answers no sooner.
	for bound := d.attemptTimeout(); ; bound *= 2 {
		err := d.boundedly(ctx, bound, r)
		if err == nil || ctx.Err() != nil || d.client.Ctx().Err() != nil || !worthRetrying(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// boundedly bounds one attempt where there is another endpoint to go to.
func (d *DCS) boundedly(ctx context.Context, bound time.Duration, r request) error {
	if len(d.client.Endpoints()) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	return d.once(ctx, r)
}

// once makes a request that must not be carried out twice.
func (d *DCS) once(ctx context.Context, r request) error {
	return d.session.do(ctx, d.client, func() error { return r(ctx, d.client) })
}

// worthRetrying says whether another server, or the same one a little later,
// may answer.
func worthRetrying(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	var known rpctypes.EtcdError
	if errors.As(rpctypes.Error(err), &known) {
		return known.Code() == codes.Unavailable
	}
	switch s, _ := status.FromError(err); s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	case codes.Unimplemented, codes.Internal: // no etcd speaks there
		return true
	case codes.Unknown: // how servers before 3.5 say that our attempt's time is up
		return s.Message() == context.DeadlineExceeded.Error() || s.Message() == context.Canceled.Error()
	}
	return false
}

// isLeaseNotFound says that the lease is no more.
func isLeaseNotFound(err error) bool {
	return errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound)
}
