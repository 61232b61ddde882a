package zookeeper

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
)

// DCS is one member's handle on one cluster.
type DCS struct {
	options Options
	root    string // path of the cluster's node
	leader  string // path of the leader key
	name    string
	acl     acl
	clock   clock.Clock
	log     *slog.Logger
	servers atomic.Pointer[[]string]
	server  atomic.Uint32 // which of them to ask first

	open       context.Context // ends with Close
	end        context.CancelFunc
	background sync.WaitGroup
	silence    dcs.Silence // of the watch

	// Each lock lets one call at a time through to what it guards.
	acquiring, renewing, touching, opening turn.Lock

	candidate *candidate // guarded by acquiring
	member    *conn      // guarded by touching; it may have ended, its session may not

	mu     sync.Mutex
	closed bool
	conns  map[*conn]bool // all that are open
	common *conn          // of a session that nothing depends on; replaced while opening is held
	ttl    time.Duration
	warned time.Duration // the TTL for which it was said that the server grants less
	most   time.Duration // what the servers granted last if it was less than asked for; else 0
	held   grant         // the grant that holds the leader key for us, as far as we know
	move   *move
}

var _ dcs.DCS = (*DCS)(nil)

// Open returns a handle. It checks the options only and waits for no server.
func Open(o Options) (*DCS, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	root := o.Chroot + o.Path.String()
	open, end := context.WithCancel(context.Background())
	d := &DCS{
		open:      open,
		end:       end,
		options:   o,
		root:      root,
		leader:    root + "/" + string(dcs.LeaderKey),
		name:      o.Name,
		acl:       encodeACL(o.ACL),
		clock:     o.Clock,
		log:       o.Logger,
		ttl:       o.TTL,
		conns:     map[*conn]bool{},
		acquiring: turn.New(),
		renewing:  turn.New(),
		touching:  turn.New(),
		opening:   turn.New(),
	}
	d.servers.Store(&o.Servers)
	if o.Exhibitor != nil && o.Exhibitor.Interval > 0 {
		d.background.Go(func() { d.follow(o.Exhibitor) })
	}
	return d, nil
}

// SetTTL implements dcs.DCS.
func (d *DCS) SetTTL(ttl time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ttl > 0 {
		d.ttl = ttl
	}
}

// LeaseFor implements dcs.DCS. What the servers grant is known once they have
// granted less than they were asked for.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.most > 0 {
		return min(ttl, d.most)
	}
	return ttl
}

// Quiet implements dcs.DCS. Answers to pings prove it, as far as the server knows that
// is watched: a follower which was cut off notices that after syncLimit ticks.
func (d *DCS) Quiet() (from, until clock.Instant) { return d.silence.Quiet() }

// wantedTTL is what a new session is asked for; ZooKeeper counts milliseconds.
func (d *DCS) wantedTTL() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return (d.ttl + time.Millisecond - 1).Truncate(time.Millisecond)
}

// Close implements dcs.DCS. Calls under way fail. The sessions of the leader key
// and of the member's entry stay, as long as they last.
func (d *DCS) Close() error {
	d.end()
	d.mu.Lock()
	d.closed = true
	if d.common != nil {
		// Nothing depends on its session: it needn't wait for its end.
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		d.common.ask(ctx, opCloseSession, nil)
	}
	for c := range d.conns {
		c.close(errClosed)
	}
	d.mu.Unlock()
	d.background.Wait()
	return nil
}

// failed says what was attempted.
func failed(verb string, err error) error { return fmt.Errorf("dcs/zookeeper: %s: %w", verb, err) }

// needName refuses what only members may do.
func (d *DCS) needName(verb string) error {
	if d.name == "" {
		return failed(verb, dcs.ErrObserver)
	}
	return nil
}
