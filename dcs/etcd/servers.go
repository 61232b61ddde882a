package etcd

import (
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Servers come and go while a handle lives. Those that the cluster has now are
// asked beside the configured ones, which stay: what servers advertise may be
// wrong, and reach nobody from here, or somebody else.

// firstDiscovery is when a new handle asks for the first time.
const firstDiscovery = time.Second

// discover looks for servers until the client is closed.
func (d *DCS) discover() {
	pause := min(firstDiscovery, d.options.Discover)
	for {
		select {
		case <-d.client.Ctx().Done():
			return
		case <-time.After(pause):
		}
		pause = d.options.Discover
		ctx, cancel := context.WithTimeout(d.client.Ctx(), d.options.TTL/2)
		servers, err := d.servers(ctx)
		cancel()
		if err != nil || slices.Equal(servers, d.client.Endpoints()) {
			continue
		}
		d.client.SetEndpoints(servers...)
		d.log.Info("the store's servers are others", "servers", servers)
	}
}

// servers are the configured ones, and those that the cluster advertises and that
// answer as its members.
func (d *DCS) servers(ctx context.Context) ([]string, error) {
	var answer *clientv3.MemberListResponse
	err := d.attempt(ctx, func(ctx context.Context, client *clientv3.Client) (err error) {
		answer, err = client.MemberList(ctx)
		return err
	})
	if err != nil {
		return nil, failed("list the servers", err)
	}
	var found []string
	for _, m := range answer.Members {
		for _, url := range m.ClientURLs {
			if !m.IsLearner && !d.configured(url) && d.isServer(ctx, url, answer.Header.ClusterId) {
				found = append(found, url)
			}
		}
	}
	slices.Sort(found)
	return append(slices.Clone(d.options.Endpoints), slices.Compact(found)...), nil
}

func (d *DCS) configured(url string) bool {
	return slices.ContainsFunc(d.options.Endpoints, func(e string) bool { return withoutScheme(e) == withoutScheme(url) })
}

// isServer says whether a member of that cluster answers at url. One connection
// of the client goes with TLS or without, to all.
func (d *DCS) isServer(ctx context.Context, url string, cluster uint64) bool {
	if strings.HasPrefix(url, "https://") != (d.options.TLS != nil) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, d.attemptTimeout())
	defer cancel()
	status, err := d.client.Status(ctx, url)
	switch {
	case err != nil:
		d.log.Debug("a server of the store doesn't answer at what it advertises", "url", url, "error", err)
		return false
	case status.Header.ClusterId != cluster:
		d.log.Warn("what a server of the store advertises leads to another store", "url", url)
		return false
	}
	return true
}

func withoutScheme(endpoint string) string {
	if _, rest, ok := strings.Cut(endpoint, "://"); ok {
		return rest
	}
	return endpoint
}
