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
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/ha"
)

// OpenDCS opens the store that is configured, for the member of that name; an
// empty one only observes. The TTL is what a new cluster would begin with: set
// it to the cluster's once that was read. The context bounds the look-up of
// servers in DNS, nothing else is asked yet.
func OpenDCS(ctx context.Context, c *Config, name string, clk clock.Clock, logger *slog.Logger) (dcs.DCS, error) {
	switch c.Store.Kind {
	case "consul":
		return c.openConsul(name, clk, logger)
	case "etcd3":
		return c.openEtcd(ctx, name, clk, logger)
	}
	return nil, fmt.Errorf("config: %w", c.Store.unsupported())
}

func (c *Config) path() dcs.Path { return dcs.Path{Namespace: c.Namespace, Scope: c.Scope} }

// firstTTL is what a new cluster would begin with.
func (c *Config) firstTTL() time.Duration {
	if c.Bootstrap != nil {
		if s, _, err := ha.ParseSettings(c.Bootstrap.DCS, ha.ShortFloors()); err == nil {
			return s.TTL
		}
	}
	return ha.DefaultSettings().TTL
}

func (c *Config) openConsul(name string, clk clock.Clock, logger *slog.Logger) (dcs.DCS, error) {
	o, err := c.Store.Consul.options()
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	o.Path, o.Name, o.TTL, o.Clock, o.Logger = c.path(), name, c.firstTTL(), clk, logger
	return consul.Open(o)
}

func (c *Config) openEtcd(ctx context.Context, name string, clk clock.Clock, logger *slog.Logger) (dcs.DCS, error) {
	e := c.Store.Etcd3
	endpoints, err := e.servers(ctx, net.DefaultResolver.LookupSRV)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", c.Store.serversKey(), err)
	}
	o := etcd.Options{
		Endpoints: endpoints,
		Username:  e.Username,
		Password:  e.Password.Reveal(),
		Path:      c.path(),
		Name:      name,
		TTL:       c.firstTTL(),
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
	return etcd.Open(o)
}

// StoreSetting names the setting that an error of the store is about: who logs
// in, or where its servers are, and which those are.
func (c *Config) StoreSetting(err error) string {
	if c.Store.Kind == "consul" {
		if consul.IsLoginRefused(err) {
			return "consul.token"
		}
		return c.Store.serversKey() + ": " + c.Store.Consul.URL
	}
	if etcd.IsLoginRefused(err) {
		return c.Store.Kind + ".username, " + c.Store.Kind + ".password"
	}
	where := c.Store.Etcd3.Endpoints
	if srv := c.Store.Etcd3.SRV; srv != "" {
		where = []string{srv}
	}
	return c.Store.serversKey() + ": " + strings.Join(where, ", ")
}
