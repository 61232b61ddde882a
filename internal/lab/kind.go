package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// StoreKind is a kind of store that a lab can have, with the paths of its programs:
// Consul, Etcd, EtcdV2, Kubernetes, KubernetesConfigMaps, RegentStore, ZooKeeper,
// or one by name (FindStore).
type StoreKind interface {
	// Least are the shortest timeouts that members allow on it.
	Least() dcs.Timing
	// Succession is how long after the last renewal of a leader that was lost
	// another may lead, at the latest, as the store promises it.
	Succession(ttl time.Duration) time.Duration
	// build plans one in a lab. Nothing runs yet.
	build(site) (backend, error)
}

// backend is the store of one lab, as its kind has it.
type backend interface {
	// servers are its processes, in the order in which they are started.
	servers() []server
	// endpoints are where members come to, past all links: host:port.
	endpoints() []string
	// ready returns nil when it serves.
	ready(ctx context.Context) error
	// prepare makes what a cluster of these members expects to find, when the
	// store has come up for the first time.
	prepare(ctx context.Context, members []string) error
	// open returns an observer's handle.
	open(path dcs.Path, ttl time.Duration) (dcs.DCS, error)
	// member is what the member of this name is told, whose way to the store is
	// link, a host:port. Files for it go into dir.
	member(name, dir, link string) (membership, error)
	// close lets go of clients.
	close()
}

// membership is how a member reaches the store.
type membership struct {
	section map[string]any // of its configuration: the store's name and what it needs
	env     []string       // for its agent's environment
}

// server is a process of the store.
type server struct {
	name string
	addr string // host:port for its clients
	argv []string
}

// site is where a store is built.
type site struct {
	dir       string
	scope     string
	members   int                              // how many servers are wanted
	addresses func(i, n int) ([]string, error) // n new ones for the i-th server
}

// alone are n addresses for the server of a kind that has only one.
func (s site) alone(n int) ([]string, error) {
	if s.members > 1 {
		return nil, fmt.Errorf("StoreMembers is %d: this kind of store has one", s.members)
	}
	return s.addresses(0, n)
}

// folder is the path of something of the store's.
func (s site) folder(name string) string { return filepath.Join(s.dir, name) }

// unprepared is for kinds that need nothing but their servers.
type unprepared struct{}

func (unprepared) prepare(context.Context, []string) error { return nil }

// common are the least timeouts where a store has no shorter ones of its own.
var common = dcs.Timing{TTL: 20 * time.Second, LoopWait: time.Second, RetryTimeout: 3 * time.Second}
