package etcd

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
)

// DCS is one member's handle on one cluster.
type DCS struct {
	options Options
	prefix  string
	leader  string // path of the leader key
	name    string
	clock   clock.Clock
	log     *slog.Logger
	client  *clientv3.Client
	session *session

	background sync.WaitGroup
	rewatched  chan struct{} // a watch that broke stands again
	silence    dcs.Silence   // of the watch
	entry      dcs.Entry     // of this member

	// Each lock lets one call at a time through to what it guards.
	acquiring, renewing, touching turn.Lock

	candidate *candidate // guarded by acquiring
	member    grant      // guarded by touching

	mu   sync.Mutex
	ttl  time.Duration
	held grant // the grant that holds the leader key for us, as far as we know
	move *move
}

var _ dcs.DCS = (*DCS)(nil)

// Open returns a handle. It checks the options only and waits for no server.
func Open(o Options) (*DCS, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &session{username: o.Username, password: o.Password, loggingIn: turn.New()}
	client, err := dial(o, s)
	if err != nil {
		return nil, failed("open", err)
	}
	d := &DCS{
		options:   o,
		prefix:    o.Path.Prefix(),
		leader:    o.Path.Prefix() + string(dcs.LeaderKey),
		name:      o.Name,
		clock:     o.Clock,
		log:       o.Logger,
		client:    client,
		session:   s,
		ttl:       o.TTL,
		rewatched: make(chan struct{}, 1),
		acquiring: turn.New(),
		renewing:  turn.New(),
		touching:  turn.New(),
	}
	if o.Discover > 0 {
		d.background.Go(d.discover)
	}
	return d, nil
}

// Quiet implements dcs.DCS.
func (d *DCS) Quiet() (from, until clock.Instant) { return d.silence.Quiet() }

// SetTTL implements dcs.DCS.
func (d *DCS) SetTTL(ttl time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ttl > 0 {
		d.ttl = ttl
	}
}

// LeaseFor implements dcs.DCS. The server grants at least what it is asked for.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration { return ttl }

// wantedTTL is what a new lease is asked for, in whole seconds.
func (d *DCS) wantedTTL() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64((d.ttl + time.Second - 1) / time.Second)
}

// attemptTimeout is Options.AttemptTimeout, or what follows from the TTL.
func (d *DCS) attemptTimeout() time.Duration {
	if d.options.AttemptTimeout > 0 {
		return d.options.AttemptTimeout
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.ttl/20, 250*time.Millisecond)
}

// Close implements dcs.DCS. Calls under way fail; leases stay.
func (d *DCS) Close() error {
	// The error of the library's Close is that its context has ended.
	d.client.Close()
	d.background.Wait()
	return nil
}

// standingFor is how long an entry counts as it was proven to stand.
func (d *DCS) standingFor() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ttl / 2
}

// failed says what was attempted.
func failed(verb string, err error) error { return fmt.Errorf("dcs/etcd: %s: %w", verb, plain{err}) }

// needName refuses what only members may do.
func (d *DCS) needName(verb string) error {
	if d.name == "" {
		return failed(verb, dcs.ErrObserver)
	}
	return nil
}
