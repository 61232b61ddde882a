package consul

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

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
	client  *api.Client
	wire    *http.Transport

	open   context.Context // ends with Close
	closed context.CancelCauseFunc

	// Each lock lets one call at a time through to what it guards.
	acquiring, renewing, touching turn.Lock

	candidate *grant       // guarded by acquiring: an attempt with it has no known outcome
	member    grant        // guarded by touching
	service   registration // guarded by touching

	silence dcs.Silence // of the watch
	entry   dcs.Entry   // of this member
	delayed atomic.Bool // the last attempt met a lock delay: Watch is to tell when to try again

	mu   sync.Mutex
	ttl  time.Duration
	held grant // the grant that holds the leader key for us, as far as we know
	move *move
}

var _ dcs.DCS = (*DCS)(nil)

// errClosed is why calls on a closed handle fail.
var errClosed = errors.New("the handle is closed")

// Open returns a handle. It checks the options only and asks nobody.
func Open(o Options) (*DCS, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	client, wire, err := dial(o)
	if err != nil {
		return nil, failed("open", err)
	}
	prefix := strings.TrimPrefix(o.Path.Prefix(), "/")
	d := &DCS{
		options:   o,
		prefix:    prefix,
		leader:    prefix + string(dcs.LeaderKey),
		name:      o.Name,
		clock:     o.Clock,
		log:       o.Logger,
		client:    client,
		wire:      wire,
		ttl:       o.TTL,
		acquiring: turn.New(),
		renewing:  turn.New(),
		touching:  turn.New(),
	}
	d.open, d.closed = context.WithCancelCause(context.Background())
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

// wantedTTL is what a new session is asked for now.
func (d *DCS) wantedTTL() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return sessionTTL(d.ttl)
}

// standingFor is how long an entry counts as it was proven to stand.
func (d *DCS) standingFor() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ttl / 2
}

// Close implements dcs.DCS. Calls under way fail; sessions stay.
func (d *DCS) Close() error {
	d.closed(errClosed)
	d.wire.CloseIdleConnections()
	return nil
}

// failed says what was attempted.
func failed(verb string, err error) error { return fmt.Errorf("dcs/consul: %s: %w", verb, err) }

// needName refuses what only members may do.
func (d *DCS) needName(verb string) error {
	if d.name == "" {
		return failed(verb, dcs.ErrObserver)
	}
	return nil
}
