// Package load puts the load of many clusters on one etcd: what their agents send
// while nothing happens to them, with the handles that agents use, one connection
// each. PostgreSQL, guards and decisions are left out. See docs/backends/load.md.
package load
