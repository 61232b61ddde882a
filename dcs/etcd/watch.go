package etcd

import (
	"context"
	"errors"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/regent-ha/regent/clock"
)

// Watch implements dcs.DCS. Its goroutines end with ctx.
//
// It never resumes at a revision: each time the stream stands anew it gives a
// hint, whatever happened meanwhile, so that compaction can't hide anything.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	go func() {
		defer close(hints)
		d.watch(ctx, hints)
	}()
	return hints
}

func (d *DCS) watch(ctx context.Context, hints chan<- struct{}) {
	const shortest = 50 * time.Millisecond
	pause, broken := shortest, false
	for {
		err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) error {
			// It logs in if that is needed; the stream would only break.
			_, err := client.Get(ctx, d.leader, clientv3.WithCountOnly())
			return err
		})
		if err == nil {
			err = d.stream(ctx, func(stood bool) {
				if stood && broken {
					d.log.Info("watching the store again")
				}
				if stood {
					pause, broken = shortest, false
				}
				select {
				case hints <- struct{}{}:
				default: // merges with the hint that nobody took yet
				}
			})
		}
		if ctx.Err() != nil {
			return
		}
		if !broken {
			broken = true
			d.log.Warn("the watch on the store broke", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// stream watches until it breaks. Hint hears of the stream's beginning and of
// each change.
func (d *DCS) stream(ctx context.Context, hint func(stood bool)) error {
	ctx, cancel := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	stream, err := pb.NewWatchClient(d.client.ActiveConnection()).Watch(ctx, grpc.WaitForReady(true))
	if err != nil {
		cancel(nil)
		return err
	}
	err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key:      []byte(d.prefix),
		RangeEnd: []byte(clientv3.GetPrefixRangeEnd(d.prefix)),
	}}})
	if err != nil && !errors.Is(err, io.EOF) { // after io.EOF Recv tells the reason
		cancel(nil)
		return err
	}
	heard, asked := make(chan struct{}, 1), make(chan clock.Instant, 2)
	probing := make(chan struct{})
	go func() {
		defer close(probing)
		d.probe(ctx, stream, heard, asked, cancel)
	}()
	err = d.receive(stream, heard, asked, hint)
	d.silence.Broken()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-probing
	return err
}

// receive takes what the server says. Its answer to a question about progress comes
// behind every change before, so it proves silence: up to the question before that
// one, since servers before 3.4.25 and 3.5.8 may answer a moment ahead of a change.
func (d *DCS) receive(stream pb.Watch_WatchClient, heard chan<- struct{}, asked <-chan clock.Instant, hint func(stood bool)) error {
	var before clock.Instant
	for {
		answer, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case answer.Canceled:
			return errors.New("the server ended the watch: " + answer.CancelReason)
		case answer.Created:
			d.silence.News(d.clock.Now())
			hint(true)
		case len(answer.Events) > 0:
			d.silence.News(d.clock.Now())
			hint(false)
		default:
			select {
			case at := <-asked:
				d.silence.Proven(before)
				before = at
			default: // of its own accord: it says nothing that we need
			}
		}
		select {
		case heard <- struct{}{}:
		default:
		}
	}
}

var errSilent = errors.New("the server is silent")

// probe asks for a sign of life again and again and ends a stream that stays
// silent: a frozen server keeps its connections.
func (d *DCS) probe(ctx context.Context, stream pb.Watch_WatchClient, heard <-chan struct{}, asked chan<- clock.Instant, cancel context.CancelCauseFunc) {
	every := min(max(d.options.TTL/6, 500*time.Millisecond), 5*time.Second)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-heard:
		default:
			cancel(errSilent)
			return
		}
		select {
		case asked <- d.clock.Now():
		default: // two questions are open: their answers will do
			continue
		}
		stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
	}
}
