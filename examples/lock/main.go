// Command lock is one of several copies of a program of which only one may work
// at a time. It takes a lease in etcd, works while it can keep it, and gives it
// back. Start it in two terminals, stop the one that works, kill the other:
//
//	go run ./examples/lock -name a
//	go run ./examples/lock -name b
//
// It needs an etcd; `etcd` without arguments is enough to try it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
)

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "etcd servers, separated by commas")
	scope := flag.String("scope", "lock-example", "name of the lock: copies with the same one compete")
	name := flag.String("name", fmt.Sprintf("process-%d", os.Getpid()), "name of this copy, of no other")
	ttl := flag.Duration("ttl", 10*time.Second, "how long the lease outlives a copy that died")
	flag.Parse()
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	log.SetPrefix(*name + " ")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	// Renew every third of the lease; one that fails may be tried again for a fifth.
	timing := dcs.Timing{TTL: *ttl, LoopWait: *ttl / 3, RetryTimeout: *ttl / 5}
	if err := timing.Check(); err != nil {
		log.Fatal(err)
	}
	backend, err := etcd.Open(etcd.Options{
		Endpoints: strings.Split(*endpoints, ","),
		Path:      dcs.Path{Scope: *scope},
		Name:      *name,
		TTL:       *ttl,
	})
	if err != nil {
		log.Fatal(err)
	}
	store := dcs.NewClient(backend, dcs.ClientOptions{RequestTimeout: timing.RequestTimeout()})
	defer store.Close() // keeps a lease that wasn't released

	l := lock{store: store, timing: timing, clock: clock.System()}
	for ctx.Err() == nil {
		lease, err := l.acquire(ctx)
		if err != nil {
			return // ctx has ended
		}
		log.Print("has the lease")
		if err := l.hold(ctx, lease, work); err != nil {
			log.Printf("lost the lease: %v", err)
		}
	}
}

// work is whatever only one may do. It must end soon after ctx does.
func work(ctx context.Context) {
	for part := 1; ctx.Err() == nil; part++ {
		log.Printf("works on part %d", part)
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	log.Print("has stopped working")
}

// lock is the right to work, as one copy of the program sees it.
type lock struct {
	store  *dcs.Client
	timing dcs.Timing
	clock  clock.Clock
}

// acquire returns when the lease is ours, or with ctx's error.
func (l lock) acquire(ctx context.Context) (dcs.Lease, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := l.store.Watch(ctx) // hints that something changed: a lease that ended, perhaps
	for holder := ""; ; {
		lease, err := l.store.Acquire(ctx)
		var refused *dcs.RefusedError
		switch {
		case err == nil:
			return lease, nil
		case errors.As(err, &refused) && refused.Holder != nil:
			if holder != refused.Holder.Name {
				holder = refused.Holder.Name
				log.Printf("waits for %s", holder)
			}
		case ctx.Err() == nil:
			log.Printf("can't ask for the lease: %v", err) // nor knows the outcome: the next try will
		}
		select {
		case <-ctx.Done():
			return dcs.Lease{}, ctx.Err()
		case <-news:
		case <-time.After(l.timing.LoopWait): // hints may be missed
		}
	}
}

// hold runs work until it returns, ctx ends, or lease can't be kept. In each
// case work has ended before the lease, which is then given back. Only a process
// that is frozen can't keep this promise: see package fence for who does.
func (l lock) hold(ctx context.Context, lease dcs.Lease, work func(context.Context)) error {
	working, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		defer stop()
		work(working)
	})
	lease, err := l.keep(working, lease)
	stop()
	group.Wait()
	if errors.Is(err, dcs.ErrLost) {
		return err // nothing is left to give back
	}
	// ctx may have ended; giving the lease back is worth a moment all the same.
	return errors.Join(err, l.store.Release(context.WithoutCancel(ctx), lease))
}

// keep renews lease until ctx ends. It returns while the lease still has time
// left for the work to stop in: a lease that can't be renewed is given up then.
func (l lock) keep(ctx context.Context, lease dcs.Lease) (dcs.Lease, error) {
	for {
		plan := l.timing.Plan(lease)
		if !l.sleepUntil(ctx, plan.Renew) {
			return lease, nil
		}
		renewed, err := l.renew(ctx, lease, plan.GiveUp)
		switch {
		case err == nil:
			lease = renewed // the ID may be another, too
		case ctx.Err() != nil:
			return lease, nil
		default:
			return lease, err
		}
	}
}

// renew tries until it gets a definite answer or the time for it is over.
func (l lock) renew(ctx context.Context, lease dcs.Lease, giveUp clock.Instant) (dcs.Lease, error) {
	ctx, cancel := clock.WithDeadline(ctx, l.clock, giveUp)
	defer cancel()
	for {
		renewed, err := l.store.Renew(ctx, lease)
		if err == nil || errors.Is(err, dcs.ErrLost) {
			return renewed, err
		}
		if !l.sleepUntil(ctx, l.clock.Now().Add(200*time.Millisecond)) {
			return dcs.Lease{}, err
		}
	}
}

// sleepUntil says whether at came before ctx ended.
func (l lock) sleepUntil(ctx context.Context, at clock.Instant) bool {
	timer := l.clock.NewTimer(at)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}
