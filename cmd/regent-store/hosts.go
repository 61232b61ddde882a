package main

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// hosts tells which names and addresses are one machine's.
type hosts struct {
	own      []netip.Addr // what we listen on
	resolved map[string]answer
}

// answer is what a name stood for when it was last asked for.
type answer struct {
	addrs []netip.Addr
	at    time.Time
}

const (
	// resolveAgain is how long an answer of the resolver is used.
	resolveAgain = time.Minute
	// resolveTimeout bounds a question to it.
	resolveTimeout = time.Second
)

func newHosts(listen ...url.URL) *hosts {
	h := &hosts{resolved: map[string]answer{}}
	for _, u := range listen {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			h.own = append(h.own, a.Unmap())
		}
	}
	return h
}

// here says whether one of these is this machine: an address that we listen on or
// that an interface has, its name, or a name that stands for such an address.
//
// A loopback address as such is here only if we listen on it: elsewhere it is
// another machine's. A name for one is ours: systems give their own name such an
// address.
func (h *hosts) here(ctx context.Context, names ...string) bool {
	own := slices.Concat(h.own, interfaces())
	self, _ := os.Hostname()
	return slices.ContainsFunc(names, func(name string) bool {
		if self != "" && strings.EqualFold(name, self) {
			return true
		}
		_, err := netip.ParseAddr(name)
		isName := err != nil
		return slices.ContainsFunc(h.addresses(ctx, name), func(a netip.Addr) bool {
			return slices.Contains(own, a) || isName && a.IsLoopback()
		})
	})
}

// same says whether two lists have an address in common.
func (h *hosts) same(ctx context.Context, one, other []string) bool {
	var addrs []netip.Addr
	for _, name := range one {
		addrs = append(addrs, h.addresses(ctx, name)...)
	}
	return slices.ContainsFunc(other, func(name string) bool {
		return slices.ContainsFunc(h.addresses(ctx, name), func(a netip.Addr) bool { return slices.Contains(addrs, a) })
	})
}

// addresses of a name; an unknown one has none.
func (h *hosts) addresses(ctx context.Context, name string) []netip.Addr {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap().WithZone("")}
	}
	if known, ok := h.resolved[name]; ok && time.Since(known.at) < resolveAgain {
		return known.addrs
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i, a := range found {
		found[i] = a.Unmap().WithZone("")
	}
	h.resolved[name] = answer{found, time.Now()}
	return found
}

// interfaces are the addresses of this machine that others can reach.
func interfaces() []netip.Addr {
	nets, _ := net.InterfaceAddrs()
	var addrs []netip.Addr
	for _, n := range nets {
		p, err := netip.ParsePrefix(n.String())
		if a := p.Addr().Unmap(); err == nil && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// hostsIn are the hosts of URLs.
func hostsIn(urls ...[]string) []string {
	var found []string
	for _, text := range slices.Concat(urls...) {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			found = append(found, u.Hostname())
		}
	}
	return found
}
