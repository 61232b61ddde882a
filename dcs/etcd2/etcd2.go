package etcd2

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
)

// DCS is one member's handle on one cluster.
type DCS struct {
	options Options
	root    string // key of the directory with all keys of the cluster
	name    string
	clock   clock.Clock
	log     *slog.Logger
	http    *http.Client
	servers servers
	clocks  clocks
	store   identity

	closed     context.Context // ends with Close
	end        context.CancelFunc
	background sync.WaitGroup

	// Each lock lets one call at a time through to what it guards.
	acquiring, renewing, touching turn.Lock

	candidate *candidate // guarded by acquiring
	entry     entry      // guarded by touching

	mu   sync.Mutex
	ttl  time.Duration
	held held
}

var _ dcs.DCS = (*DCS)(nil)

// Open returns a handle. It checks the options only and waits for no server.
func Open(o Options) (*DCS, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &DCS{
		options:   o,
		root:      o.Path.String(),
		name:      o.Name,
		clock:     o.Clock,
		log:       o.Logger,
		http:      newClient(o),
		servers:   servers{urls: o.urls()},
		ttl:       o.TTL,
		acquiring: turn.New(),
		renewing:  turn.New(),
		touching:  turn.New(),
	}
	d.closed, d.end = context.WithCancel(context.Background())
	if o.Discover > 0 || len(o.Endpoints) > 1 {
		d.background.Go(d.lookAround)
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

// LeaseFor implements dcs.DCS. It is shorter than the TTL where a server's clock was
// ahead of the others' at the last grant.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration { return max(ttl-d.clocks.cut(), 0) }

// Quiet implements dcs.DCS. Nothing is ever proven: the server doesn't say up to which
// index an answer that is waited for has no events.
func (d *DCS) Quiet() (from, until clock.Instant) { return 0, 0 }

// wantedTTL is what a grant is to last: whole seconds.
func (d *DCS) wantedTTL() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return (d.ttl + time.Second - 1).Truncate(time.Second)
}

// Close implements dcs.DCS. Calls under way fail; the leader key stays.
func (d *DCS) Close() error {
	d.end()
	d.background.Wait()
	d.http.CloseIdleConnections()
	return nil
}

// failed says what was attempted.
func failed(verb string, err error) error { return fmt.Errorf("dcs/etcd2: %s: %w", verb, err) }

// needName refuses what only members may do.
func (d *DCS) needName(verb string) error {
	if d.name == "" {
		return failed(verb, dcs.ErrObserver)
	}
	return nil
}
