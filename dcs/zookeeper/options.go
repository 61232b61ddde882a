package zookeeper

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// DefaultTTL is how long grants last unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// Options of a handle. Servers and Path.Scope are required.
type Options struct {
	// Servers are host:port; with Exhibitor, those to begin with.
	Servers []string
	// Exhibitor is asked from time to time who the servers are; nil: they stay.
	Exhibitor *Exhibitor
	// Chroot is the path that everything lies below, as "/app"; empty: the root.
	Chroot string
	// Auth is shown to the servers on every connection.
	Auth []Auth
	// ACL of the nodes that are created; empty: anybody may do anything.
	ACL []ACL
	// TLS is how servers are verified and what certificate we show; nil: without.
	TLS *tls.Config

	Path dcs.Path
	// Name is the member's; empty: the handle only observes.
	Name string
	// TTL of the grants; servers clamp it to what they are configured for.
	TTL time.Duration

	// Clock is what leases are counted on: by default the machine's.
	Clock clock.Clock
	// Logger hears of watches that broke and came back, and of a TTL that a server
	// doesn't grant; by default nobody does.
	Logger *slog.Logger
	// AttemptTimeout is after which a request goes to another server, or is made
	// again over a new connection: by default a tenth of TTL, at least a second.
	AttemptTimeout time.Duration
}

// Auth is a credential of one of ZooKeeper's schemes, as "digest" with
// "user:password".
type Auth struct{ Scheme, Credential string }

// ACL allows somebody something (ZooKeeper Programmer's Guide, "Access control
// using ACLs").
type ACL struct {
	Scheme, ID string
	Perms      Perms
}

// Perms are a set of permissions.
type Perms int32

// Permissions (ZooDefs.Perms).
const (
	Read Perms = 1 << iota
	Write
	Create
	Delete
	Admin
	All = Read | Write | Create | Delete | Admin
)

func encodeACL(list []ACL) acl {
	if len(list) == 0 {
		list = []ACL{{Scheme: "world", ID: "anyone", Perms: All}}
	}
	m := message{}.int32(int32(len(list)))
	for _, a := range list {
		m = m.int32(int32(a.Perms)).text(a.Scheme).text(a.ID)
	}
	return m
}

// checkServer completes a sentence about a server that isn't host:port.
func checkServer(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, errPort := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.ContainsAny(host, "/ ") || errPort != nil || n == 0 {
		return fmt.Errorf("isn't host:port: %q", s)
	}
	return nil
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Servers) == 0 {
		return o, errors.New("dcs/zookeeper: Options.Servers is empty: it must name at least one host:port")
	}
	for _, s := range o.Servers {
		if err := checkServer(s); err != nil {
			return o, fmt.Errorf("dcs/zookeeper: Options.Servers: one %w", err)
		}
	}
	if o.Chroot = strings.TrimRight(o.Chroot, "/"); o.Chroot != "" && !strings.HasPrefix(o.Chroot, "/") {
		return o, fmt.Errorf("dcs/zookeeper: Options.Chroot is %q: it must begin with a slash", o.Chroot)
	}
	if strings.Trim(o.Path.Scope, "/") == "" {
		return o, errors.New("dcs/zookeeper: Options.Path.Scope is empty: it must name the cluster")
	}
	if err := o.Exhibitor.check(); err != nil {
		return o, err
	}
	for _, a := range o.Auth {
		if a.Scheme == "" || a.Credential == "" {
			return o, errors.New("dcs/zookeeper: Options.Auth has an entry without a scheme or a credential")
		}
	}
	for _, a := range o.ACL {
		if a.Scheme == "" || a.ID == "" || a.Perms <= 0 || a.Perms > All {
			return o, fmt.Errorf("dcs/zookeeper: Options.ACL: %q of %q with permissions %d isn't an entry", a.ID, a.Scheme, a.Perms)
		}
	}
	if o.TTL < 0 {
		return o, fmt.Errorf("dcs/zookeeper: Options.TTL is %v: it must be positive", o.TTL)
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
		o.AttemptTimeout = max(o.TTL/10, time.Second)
	}
	return o, nil
}
