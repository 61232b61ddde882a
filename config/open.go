package config

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/ha"
)

// OpenDCS opens the store that is configured, for the member of that name; an
// empty one only observes. The TTL is what a new cluster would begin with: set
// it to the cluster's once that was read. The context bounds the look-up of
// servers in DNS, nothing else is asked yet.
func OpenDCS(ctx context.Context, c *Config, name string, clk clock.Clock, logger *slog.Logger) (dcs.DCS, error) {
	if c.Store.Kind != "etcd3" {
		return nil, fmt.Errorf("config: %w", c.Store.unsupported())
	}
	e := c.Store.Etcd3
	endpoints, err := e.servers(ctx, net.DefaultResolver.LookupSRV)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", c.Store.serversKey(), err)
	}
	o := etcd.Options{
		Endpoints: endpoints,
		Username:  e.Username,
		Password:  e.Password.Reveal(),
		Path:      dcs.Path{Namespace: c.Namespace, Scope: c.Scope},
		Name:      name,
		TTL:       ha.DefaultSettings().TTL,
		Clock:     clk,
		Logger:    logger,
	}
	if !e.Proxies {
		o.Discover = time.Minute
	}
	if slices.ContainsFunc(endpoints, isTLS) {
		if o.TLS, err = clientTLS(e.CACert, e.Cert, e.Key); err != nil {
			return nil, fmt.Errorf("config: etcd3.%w", err)
		}
	}
	if c.Bootstrap != nil {
		if s, _, err := ha.ParseSettings(c.Bootstrap.DCS, ha.ShortFloors()); err == nil {
			o.TTL = s.TTL
		}
	}
	return etcd.Open(o)
}

// StoreSetting names the setting that an error of the store is about: who logs
// in, or where its servers are, and which those are.
func (c *Config) StoreSetting(err error) string {
	if etcd.IsLoginRefused(err) {
		return c.Store.Kind + ".username, " + c.Store.Kind + ".password"
	}
	where := c.Store.Etcd3.Endpoints
	if srv := c.Store.Etcd3.SRV; srv != "" {
		where = []string{srv}
	}
	return c.Store.serversKey() + ": " + strings.Join(where, ", ")
}
