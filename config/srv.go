package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// lookUp returns the endpoints, those in DNS included (etcd documentation, "DNS
// discovery"): the records for TLS come first, a suffix tells clusters apart.
func (e Etcd) lookUp(ctx context.Context, lookup srvLookup) ([]string, error) {
	if e.SRV == "" {
		return e.Endpoints, nil
	}
	var endpoints []string
	var failures error
	for _, service := range []struct{ name, protocol string }{{"etcd-client-ssl", "https"}, {"etcd-client", "http"}} {
		name := service.name
		if e.SRVSuffix != "" {
			name += "-" + e.SRVSuffix
		}
		_, records, err := lookup(ctx, name, "tcp", e.SRV)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		for _, r := range records {
			host := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
			endpoints = append(endpoints, service.protocol+"://"+host)
		}
	}
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("no server found for %s: %w", e.SRV, failures)
	}
	return endpoints, nil
}

// srvLookup is net.Resolver's LookupSRV.
type srvLookup func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
