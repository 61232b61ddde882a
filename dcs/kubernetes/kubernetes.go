package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
)

// DCS is one member's handle on one cluster.
type DCS struct {
	options Options
	name    string
	labels  map[string]string
	names   names
	clock   clock.Clock
	log     *slog.Logger
	base    string // URL of the API server
	http    *http.Client
	idle    func() // closes connections that nobody uses

	closed     context.Context // ends with Close
	end        context.CancelFunc
	background sync.WaitGroup

	objects, pods dcs.Silence // of the two streams of a watch

	// Each lock lets one call at a time through to what it guards.
	acquiring, renewing, touching turn.Lock

	candidate *candidate // guarded by acquiring
	pod       *object    // as it was touched last; guarded by touching

	mu       sync.Mutex
	ttl      time.Duration
	held     string  // ID of the grant that is ours as far as we know
	leader   *object // the leader object as our last write left it
	seen     observation
	observed string  // error of the last try to write seen down
	address  address // of our Pod; empty: not known yet
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
		name:      o.Name,
		labels:    o.labels(),
		names:     namesOf(o),
		clock:     o.Clock,
		log:       o.Logger,
		ttl:       o.TTL,
		acquiring: turn.New(),
		renewing:  turn.New(),
		touching:  turn.New(),
	}
	servers := &servers{}
	if err := d.connect(servers); err != nil {
		return nil, failed("open", err)
	}
	d.loadObservation()
	d.closed, d.end = context.WithCancel(context.Background())
	if o.Direct {
		d.background.Go(func() { d.discover(servers) })
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

// Quiet implements dcs.DCS: where both streams were silent. A stream that the server
// ended at its time has told of everything up to then.
func (d *DCS) Quiet() (from, until clock.Instant) {
	from, until = d.objects.Quiet()
	podsFrom, podsUntil := d.pods.Quiet()
	if from.IsZero() || podsFrom.IsZero() {
		return 0, 0
	}
	return max(from, podsFrom), min(until, podsUntil)
}

// LeaseFor implements dcs.DCS.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration { return ttl }

// wantedTTL is what a record is written with: whole seconds.
func (d *DCS) wantedTTL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strconv.FormatInt(int64((d.ttl+time.Second-1)/time.Second), 10)
}

// Close implements dcs.DCS. Calls under way fail; the leader record stays.
func (d *DCS) Close() error {
	d.end()
	d.background.Wait()
	d.idle()
	return nil
}

// failed says what was attempted.
func failed(verb string, err error) error { return fmt.Errorf("dcs/kubernetes: %s: %w", verb, err) }

// needName refuses what only members may do.
func (d *DCS) needName(verb string) error {
	if d.name == "" {
		return failed(verb, dcs.ErrObserver)
	}
	return nil
}
