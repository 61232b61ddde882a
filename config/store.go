package config

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Store is the distributed configuration store that was chosen.
type Store struct {
	Kind    string  // the section's name: "etcd3", "consul", ...
	Section Section // what the section says; nil where the kind isn't supported
}

// Section is what the section of a store says: a Consul, Etcd, Exhibitor,
// Kubernetes or ZooKeeper.
type Section interface {
	// open makes a handle on the cluster. It may look servers up, and asks none
	// of them.
	open(ctx context.Context, h handle) (dcs.DCS, error)
	// servers are the URLs of the servers, under the key that names them.
	servers(ctx context.Context) (key string, urls []string, err error)
	// setting names the setting that an error of the store is about: who logs in,
	// or where its servers are, and which those are.
	setting(err error) string
	// files are the files that it names, by key.
	files() []namedFile
}

// handle is what the handles on all stores are made of.
type handle struct {
	path   dcs.Path
	name   string // empty: an observer
	ttl    time.Duration
	runDir string
	clock  clock.Clock
	logger *slog.Logger
}

type namedFile struct{ key, path string }

// storeKind is a section that names a store.
type storeKind struct {
	kind  string
	port  string                   // where its servers usually are
	host  string                   // the key that takes a server of a URL; empty: none does
	parse func(s *section) Section // nil: the store isn't supported
	keys  string                   // those of a section that isn't
	check func(root *section)      // what it demands of the rest; may be nil
}

var storeKinds = []storeKind{
	{kind: "consul", port: consulPort, host: "host", parse: func(s *section) Section { return parseConsul(s) }},
	{kind: "etcd", port: etcdPort, host: "host", parse: func(s *section) Section { return parseEtcd(s) }},
	{kind: "etcd3", port: etcdPort, host: "host", parse: func(s *section) Section { return parseEtcd(s) }},
	{kind: "exhibitor", port: exhibitorPort, host: "hosts", parse: func(s *section) Section { return parseExhibitor(s) }},
	{kind: "kubernetes", parse: func(s *section) Section { return parseKubernetes(s) }, check: checkKubernetesNames},
	{kind: "raft", keys: "self_addr bind_addr partner_addrs data_dir password min_timeout max_timeout connection_timeout append_entries_period" +
		" connection_retry_time leader_fallback_timeout"},
	{kind: "zookeeper", port: zookeeperPort, host: "hosts", parse: func(s *section) Section { return parseZooKeeper(s) }},
}

// supported are the kinds of stores that OpenDCS can open.
func supported() string {
	var kinds []string
	for _, k := range storeKinds {
		if k.parse != nil {
			kinds = append(kinds, k.kind)
		}
	}
	return strings.Join(kinds, ", ")
}

func parseStore(s *section) Store {
	var found []string
	var store Store
	for _, known := range storeKinds {
		sub := s.sub(known.kind)
		if !s.has(known.kind) {
			continue
		}
		found = append(found, known.kind)
		store.Kind = known.kind
		if known.parse != nil {
			store.Section = known.parse(sub)
			if known.check != nil {
				known.check(s)
			}
			continue
		}
		for key := range strings.FieldsSeq(known.keys) {
			sub.take(key)
		}
		sub.rest()
	}
	switch len(found) {
	case 0:
		s.refuse("etcd3", "missing: no store is configured (supported: %s)", supported())
	case 1:
	default:
		s.refuse(strings.Join(found, ", "), "several stores are configured: one is allowed")
	}
	return store
}

func (s Store) unsupported() error {
	return fmt.Errorf("store %s isn't supported; supported: %s", s.Kind, supported())
}
