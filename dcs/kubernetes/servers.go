package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// servers are the API servers behind their Service, where requests go past it.
type servers struct {
	mu        sync.Mutex
	addresses []string // host:port; empty: use the Service
}

func (s *servers) set(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses = addresses
}

// next are the addresses to try, each time another one first after a failure.
func (s *servers) next() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.addresses)
}

// failed puts an address behind all others.
func (s *servers) failed(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.addresses, address); i >= 0 {
		s.addresses = append(slices.Delete(s.addresses, i, i+1), address)
	}
}

// dialer connects to one of the servers instead of to their Service, and to the
// Service if none of them answers. Who answers shows the same certificate for the
// Service's address in either case.
func (s *servers) dialer(dial dialFunc, service string) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != service {
			return dial(ctx, network, address)
		}
		for _, direct := range s.next() {
			conn, err := dial(ctx, network, direct)
			if err == nil || ctx.Err() != nil {
				return conn, err
			}
			s.failed(direct)
		}
		return dial(ctx, network, address)
	}
}

// discover asks again and again which servers there are, until it is forbidden.
func (d *DCS) discover(s *servers) {
	const every = 10 * time.Second
	for {
		addresses, err := d.apiServers(d.closed)
		switch {
		case IsRefused(err):
			d.log.Warn("requests go through the API server's Service: its Endpoints may not be read", "error", err)
			s.set(nil)
			return
		case err == nil && !sameServers(addresses, s.next()):
			s.set(addresses)
			d.idle()
		}
		select {
		case <-d.closed.Done():
			return
		case <-time.After(every):
		}
	}
}

func sameServers(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// apiServers are the addresses in the Endpoints that the API servers keep of
// themselves.
func (d *DCS) apiServers(ctx context.Context) ([]string, error) {
	var o object
	err := d.attempt(ctx, request{method: http.MethodGet, path: "/api/v1/namespaces/default/endpoints/kubernetes", answer: &o})
	if err != nil {
		return nil, err
	}
	var subsets []struct {
		Addresses []struct{ IP string }
		Ports     []struct {
			Name string
			Port int
		}
	}
	if err := json.Unmarshal(o.Subsets, &subsets); err != nil {
		return nil, errors.New("the Endpoints of the API server have no subsets")
	}
	var addresses []string
	for _, subset := range subsets {
		for _, port := range subset.Ports {
			if len(subset.Ports) > 1 && port.Name != "https" {
				continue
			}
			for _, address := range subset.Addresses {
				addresses = append(addresses, net.JoinHostPort(address.IP, strconv.Itoa(port.Port)))
			}
		}
	}
	return addresses, nil
}
