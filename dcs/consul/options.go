package consul

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// DefaultTTL is the TTL unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// DefaultAddress is where an agent serves unless it is told otherwise.
const DefaultAddress = "127.0.0.1:8500"

// Consistency is how fresh an answer must be: see Consul's documentation of its
// HTTP API, "Consistency Modes".
type Consistency string

// The modes. Stale: any server answers. Default: its leader does, without asking
// a majority. Consistent: linearizable.
const (
	Stale      Consistency = "stale"
	Default    Consistency = "default"
	Consistent Consistency = "consistent"
)

// Options of a handle. Path.Scope is required.
type Options struct {
	// Address is the agent's host:port, or a URL of the schemes http and https.
	// With TLS set, host:port means https.
	Address string
	// Token for Consul's access control. It must allow writing sessions on the
	// agent's node, and reading and writing all keys under the cluster's path.
	Token string
	// TLS is how the agent is verified and what certificate we show.
	TLS *tls.Config
	// Datacenter whose keys are meant; empty: the agent's.
	Datacenter string
	// Watching is the consistency of what Watch asks, by default Default. All else
	// is linearizable whatever it says.
	Watching Consistency
	// Checks are the IDs of health checks on the agent's node that end the sessions
	// when they become critical, "serfHealth" being the node's own. None by default.
	Checks []string
	// Service registers the member with the agent; nil: it isn't.
	Service *Service
	// LockDelay, if not zero, replaces the delay after a session that ended by
	// itself. Less than half of TTL gives up what keeps two members from leading
	// when a session ends early.
	LockDelay time.Duration

	Path dcs.Path
	// Name is the member's; empty: the handle only observes.
	Name string
	// TTL is when the key of a crashed leader goes. Leases are half of it.
	TTL time.Duration

	// Clock is what leases are counted on: by default the machine's.
	Clock clock.Clock
	// Logger hears of watches that broke and came back; by default nobody does.
	Logger *slog.Logger
	// AttemptTimeout is after which a request is sent again: by default a tenth of
	// TTL, at least half a second.
	AttemptTimeout time.Duration
}

// withDefaults also makes Address a URL.
func (o Options) withDefaults() (Options, error) {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	scheme, host, isURL := strings.Cut(o.Address, "://")
	if !isURL {
		scheme, host = "http", o.Address
		if o.TLS != nil {
			scheme = "https"
		}
	}
	host = strings.TrimSuffix(host, "/")
	switch {
	case scheme != "http" && scheme != "https":
		return o, fmt.Errorf("dcs/consul: Options.Address: scheme %q isn't http or https", scheme)
	case strings.TrimSpace(host) == "" || strings.ContainsAny(host, " @?#"):
		return o, errors.New("dcs/consul: Options.Address must be host:port or a URL, without a user name")
	}
	o.Address = scheme + "://" + host
	if strings.Trim(o.Path.Scope, "/") == "" {
		return o, errors.New("dcs/consul: Options.Path.Scope is empty: it must name the cluster")
	}
	switch o.Watching {
	case "":
		o.Watching = Default
	case Stale, Default, Consistent:
	default:
		return o, fmt.Errorf("dcs/consul: Options.Watching is %q: it must be %s, %s or %s", o.Watching, Stale, Default, Consistent)
	}
	switch {
	case o.TTL < 0:
		return o, fmt.Errorf("dcs/consul: Options.TTL is %v: it must be positive", o.TTL)
	case o.TTL == 0:
		o.TTL = DefaultTTL
	}
	if o.LockDelay < 0 || o.LockDelay > longestDelay {
		return o, fmt.Errorf("dcs/consul: Options.LockDelay is %v: Consul takes at most %v", o.LockDelay, longestDelay)
	}
	if o.LockDelay > 0 && o.LockDelay < time.Millisecond {
		return o, fmt.Errorf("dcs/consul: Options.LockDelay is %v: Consul counts milliseconds", o.LockDelay)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = max(o.TTL/10, 500*time.Millisecond)
	}
	return o, nil
}
