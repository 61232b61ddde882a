package etcd

import (
	"context"
	"errors"
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
	// connectPause is the longest pause between attempts.
	connectPause = 500 * time.Millisecond
)

var errClosed = errors.New("the handle is closed")

// connect returns the client, which is made at the first call: with a user name
// that needs a server.
func (d *DCS) connect(ctx context.Context) (*clientv3.Client, error) {
	if client, err := d.connected(); client != nil || err != nil {
		return client, err
	}
	if err := d.connecting.take(ctx); err != nil {
		return nil, err
	}
	defer d.connecting.give()
	if client, err := d.connected(); client != nil || err != nil {
		return client, err
	}
	client, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		client.Close()
		return nil, errClosed
	}
	d.client = client
	return client, nil
}

func (d *DCS) connected() (*clientv3.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	return d.client, nil
}

func (d *DCS) dial(ctx context.Context) (*clientv3.Client, error) {
	// The client's context lives as long as the client, but while it logs in it
	// must end with ours.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	client, err := clientv3.New(clientv3.Config{
		Context:              life,
		Endpoints:            d.options.Endpoints,
		AutoSyncInterval:     d.options.AutoSync,
		DialKeepAliveTime:    pingAfter,
		DialKeepAliveTimeout: giveUpAfter,
		TLS:                  d.options.TLS,
		Username:             d.options.Username,
		Password:             d.options.Password,
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: connectPause},
				MinConnectTimeout: connectTimeout,
			}),
			// The library's own logs in anew for every stream, and each of our
			// keep-alives is one.
			grpc.WithStreamInterceptor(plainStream),
		},
	})
	if inTime := stop(); !inTime {
		if err == nil {
			client.Close()
		}
		err = context.Cause(ctx)
	}
	if err != nil {
		end()
		return nil, err
	}
	return client, nil
}

func plainStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return streamer(ctx, desc, cc, method, opts...)
}

// attempt makes a request until it has an answer, good or bad, or ctx ends: the
// request may be carried out more than once.
func (d *DCS) attempt(ctx context.Context, request func(context.Context, *clientv3.Client) error) error {
	pause := 20 * time.Millisecond
	for {
		client, err := d.connect(ctx)
		if err != nil {
			return err
		}
		err = d.boundedly(ctx, client, request)
		if err == nil || ctx.Err() != nil || !worthRetrying(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause = min(2*pause, connectPause)
		}
	}
}

// once makes a request that must not be carried out twice.
func (d *DCS) once(ctx context.Context, request func(context.Context, *clientv3.Client) error) error {
	client, err := d.connect(ctx)
	if err != nil {
		return err
	}
	return request(ctx, client)
}

// boundedly bounds one attempt where there is another endpoint to go to.
func (d *DCS) boundedly(ctx context.Context, client *clientv3.Client, request func(context.Context, *clientv3.Client) error) error {
	if len(client.Endpoints()) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.options.AttemptTimeout)
		defer cancel()
	}
	return request(ctx, client)
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
	case codes.Unknown: // how servers before 3.5 say that our attempt's time is up
		return s.Message() == context.DeadlineExceeded.Error() || s.Message() == context.Canceled.Error()
	}
	return false
}

// isLeaseNotFound says that the lease is no more.
func isLeaseNotFound(err error) bool {
	return errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound)
}
