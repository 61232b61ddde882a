package etcd2

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// DefaultTTL is how long grants last unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// Options of a handle. Endpoints and Path.Scope are required.
type Options struct {
	// Endpoints are host:port, or URLs of the schemes http and https. With TLS
	// set, host:port means https.
	Endpoints []string
	// Username and Password for the authentication of API v2, which has users of
	// its own.
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
	// Logger hears of watches that broke and came back, and of servers whose wall
	// clocks are ahead of the others'; by default nobody does.
	Logger *slog.Logger
	// Discover is how often the servers are asked which there are now. Those that
	// they advertise are used beside Endpoints, if they answer there. Zero: never.
	Discover time.Duration
	// AttemptTimeout is after which a request is sent again, to the next of several
	// servers: by default a tenth of TTL, at least half a second.
	AttemptTimeout time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Endpoints) == 0 {
		return o, errors.New("dcs/etcd2: Options.Endpoints is empty: it must name at least one host:port")
	}
	for _, e := range o.urls() {
		if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return o, errors.New("dcs/etcd2: Options.Endpoints: each must be host:port, or a URL of the scheme http or https without a user")
		}
	}
	if strings.Trim(o.Path.Scope, "/") == "" {
		return o, errors.New("dcs/etcd2: Options.Path.Scope is empty: it must name the cluster")
	}
	if err := checkName(o.Path.String()[1:]); err != nil {
		return o, fmt.Errorf("dcs/etcd2: Options.Path: %w", err)
	}
	if o.Name != "" {
		if err := checkName(o.Name); err != nil {
			return o, fmt.Errorf("dcs/etcd2: Options.Name: %w", err)
		}
	}
	if (o.Username == "") != (o.Password == "") {
		return o, errors.New("dcs/etcd2: Options.Username and Options.Password must be set both or neither")
	}
	if o.TTL < 0 {
		return o, fmt.Errorf("dcs/etcd2: Options.TTL is %v: it must be positive", o.TTL)
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
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = max(o.TTL/10, 500*time.Millisecond)
	}
	return o, nil
}

// urls of the endpoints, without a slash at their ends.
func (o Options) urls() (urls []string) {
	scheme := "http://"
	if o.TLS != nil {
		scheme = "https://"
	}
	for _, e := range o.Endpoints {
		e = strings.TrimSuffix(strings.TrimSpace(e), "/")
		if !strings.Contains(e, "://") {
			e = scheme + e
		}
		urls = append(urls, e)
	}
	return urls
}

// checkName refuses what the server would take for another key or keep out of
// its lists.
func checkName(name string) error {
	for element := range strings.SplitSeq(name, "/") {
		switch {
		case element == "" || element == "." || element == "..":
			return fmt.Errorf("%q can't be a key: it has an element that is empty, . or ..", name)
		case strings.HasPrefix(element, hiddenPrefix):
			return fmt.Errorf("%q can't be a key: etcd's API v2 hides what begins with %s", name, hiddenPrefix)
		}
	}
	return nil
}
