package config

import "github.com/regent-ha/regent/ha"

// Floors are the least timeouts that the configured store allows, as long as all
// members are ours: etcd keeps leases of five seconds well.
func Floors(c *Config) ha.Floors {
	if c.Store.Kind == "etcd3" {
		return ha.ShortFloors()
	}
	return ha.CommonFloors()
}
