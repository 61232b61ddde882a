package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// access says who may ask for changes.
type access struct {
	auth         [2][sha256.Size]byte // user and password; hashes, so that comparing takes equally long
	asks         bool
	certificate  bool // a client certificate is needed
	networks     []netip.Prefix
	names        []string // hosts of the allowlist
	restricted   bool     // the allowlist isn't empty
	allowMembers bool
	resolved     *resolved
}

func newAccess(o Options) (access, error) {
	a := access{
		asks:         o.Auth.Username != "",
		auth:         [2][sha256.Size]byte{sha256.Sum256([]byte(o.Auth.Username)), sha256.Sum256([]byte(o.Auth.Password))},
		certificate:  o.TLS.VerifyClient != verifyNone,
		restricted:   len(o.Allowlist) > 0,
		allowMembers: o.AllowMembers,
		resolved:     &resolved{hosts: map[string]addresses{}},
	}
	for _, entry := range o.Allowlist {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			a.networks = append(a.networks, prefix.Masked())
		} else if addr, err := netip.ParseAddr(entry); err == nil {
			a.networks = append(a.networks, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		} else if strings.Contains(entry, "/") {
			return access{}, fmt.Errorf("rest: Options.Allowlist: %q is neither a host nor an address nor a network", entry)
		} else {
			a.names = append(a.names, entry)
		}
	}
	return a, nil
}

// allows checks who asks, and answers those who may not.
func (a *access) allows(s *Server, w http.ResponseWriter, r *http.Request, pledge bool) bool {
	user, password, given := r.BasicAuth()
	switch {
	case !a.addressAllowed(s, r, pledge):
		sentence(w, http.StatusForbidden, "Access is denied")
	case a.certificate && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0):
		sentence(w, http.StatusForbidden, "client certificate required")
	case a.asks && r.Header.Get("Authorization") == "":
		challenge(w, "no auth header received")
	case a.asks && !(given && a.knows(user, password)):
		challenge(w, "not authenticated")
	default:
		return true
	}
	return false
}

func challenge(w http.ResponseWriter, text string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Patroni"`)
	sentence(w, http.StatusUnauthorized, text)
}

func (a *access) knows(user, password string) bool {
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(u[:], a.auth[0][:])&subtle.ConstantTimeCompare(p[:], a.auth[1][:]) == 1
}

// addressAllowed looks for the client's address in the allowlist and among the
// members'. Being no member keeps nobody from asking for a pledge.
func (a *access) addressAllowed(s *Server, r *http.Request, pledge bool) bool {
	if !a.restricted && (!a.allowMembers || pledge) {
		return true
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := from.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(a.networks, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return true
	}
	names := a.names
	if a.allowMembers {
		names = append(slices.Clone(names), memberHosts(s.agent)...)
	}
	return slices.ContainsFunc(names, func(host string) bool {
		return slices.Contains(a.resolved.look(r.Context(), s.clock, host), addr)
	})
}

func memberHosts(agent Agent) []string {
	cluster := agent.Report().Cluster
	hosts := make([]string, 0, len(cluster.Members))
	for _, m := range cluster.Members {
		if u, err := url.Parse(m.APIURL); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// resolved keeps what host names stand for, for a minute.
type resolved struct {
	mu    sync.Mutex
	hosts map[string]addresses
}

type addresses struct {
	list  []netip.Addr
	until clock.Instant
}

const (
	resolvedFor    = time.Minute
	resolveTimeout = 2 * time.Second
	mostResolved   = 1000
)

// look returns the addresses of a host: what it was when it can't be looked up now.
func (r *resolved) look(ctx context.Context, clk clock.Clock, host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap().WithZone("")}
	}
	now := clk.Now()
	r.mu.Lock()
	known, ok := r.hosts[host]
	r.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.list
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		list = known.list
	}
	for i := range list {
		list[i] = list[i].Unmap().WithZone("")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hosts) >= mostResolved {
		clear(r.hosts)
	}
	r.hosts[host] = addresses{list: list, until: now.Add(resolvedFor)}
	return list
}
