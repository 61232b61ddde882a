package config

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// OpenDCS returns the handle of the member called name on the cluster, or an
// observer's if name is empty. Its TTL is what a new cluster would begin with: set
// it to the cluster's once that was read. The context bounds the look-up of
// servers in DNS, nothing else is asked yet. It links the clients of all stores: a
// program for one store imports that backend and calls its Open.
func OpenDCS(ctx context.Context, c *Config, name string, clk clock.Clock, logger *slog.Logger) (dcs.DCS, error) {
	if c.Store.Section == nil {
		return nil, fmt.Errorf("config: %w", c.Store.unsupported())
	}
	store, err := c.Store.Section.open(ctx, handle{
		path: dcs.Path{Namespace: c.Namespace, Scope: c.Scope}, name: name, ttl: c.firstTTL(),
		runDir: c.RunDir, clock: clk, logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return store, nil
}

// firstTTL is what a new cluster would begin with.
func (c *Config) firstTTL() time.Duration {
	if c.Bootstrap != nil {
		if s, _, err := ha.ParseSettings(c.Bootstrap.DCS, Floors(c)); err == nil {
			return s.TTL
		}
	}
	return ha.DefaultSettings().TTL
}

// StoreSetting names the setting that an error of the store is about: who logs
// in, or where its servers are, and which those are.
func (c *Config) StoreSetting(err error) string {
	if c.Store.Section == nil {
		return c.Store.Kind
	}
	return c.Store.Section.setting(err)
}
