package etcd

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

// DefaultTTL is how long grants last unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// Options of a handle. Endpoints and Path.Scope are required.
type Options struct {
	// Endpoints are host:port, or URLs of the schemes http, https and unix. With
	// TLS set, host:port means https.
	Endpoints []string
	// Username and Password for etcd's own authentication.
	Username string
	Password string
	// TLS is how servers are verified and what certificate we show.
	TLS *tls.Config

	Path dcs.Path
	// Name is the member's; empty: the handle only observes.
	Name string
	// TTL of the grants; etcd counts whole seconds, so it is rounded up.
	TTL time.Duration

	// Clock is what leases are counted on: by default the machine's.
	Clock clock.Clock
	// Logger hears of watches that broke and came back; by default nobody does.
	Logger *slog.Logger
	// Discover is how often the servers are asked which there are now. Those that
	// they advertise are used beside Endpoints, if they answer there. Zero: never.
	Discover time.Duration
	// AttemptTimeout is after which a request goes to the next of several
	// endpoints: by default a twentieth of the TTL that holds, at least a quarter
	// of a second, so that the time for one request is enough for two of them. Each
	// further one may take twice as long.
	AttemptTimeout time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Endpoints) == 0 {
		return o, errors.New("dcs/etcd: Options.Endpoints is empty: it must name at least one host:port")
	}
	for _, e := range o.Endpoints {
		if strings.TrimSpace(e) == "" {
			return o, errors.New("dcs/etcd: Options.Endpoints has an empty entry: each must be host:port or a URL")
		}
		if scheme, _, ok := strings.Cut(e, "://"); ok && scheme != "http" && scheme != "https" && scheme != "unix" && scheme != "unixs" {
			return o, fmt.Errorf("dcs/etcd: Options.Endpoints: scheme %q isn't http, https, unix or unixs", scheme)
		}
	}
	if strings.Trim(o.Path.Scope, "/") == "" {
		return o, errors.New("dcs/etcd: Options.Path.Scope is empty: it must name the cluster")
	}
	if (o.Username == "") != (o.Password == "") {
		return o, errors.New("dcs/etcd: Options.Username and Options.Password must be set both or neither")
	}
	if o.TTL < 0 {
		return o, fmt.Errorf("dcs/etcd: Options.TTL is %v: it must be positive", o.TTL)
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
