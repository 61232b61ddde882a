package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
)

// maxMembers: more cost every write a round trip more, and outlive nothing that
// a cluster of PostgreSQL servers would.
const maxMembers = 3

// options are the command line.
type options struct {
	name           string
	dataDir        string
	listenClient   string
	listenPeer     string
	initialCluster string
	join           bool
	fresh          bool // --new
	token          string
	namespace      string
	heartbeat      time.Duration
	election       time.Duration
	logLevel       string
	client, peer   certificates
}

// certificates are the files of one side's TLS.
type certificates struct{ cert, key, ca string }

func (o *options) flags(f *pflag.FlagSet) {
	o.place(f)
	f.StringVar(&o.listenClient, "listen-client", "http://127.0.0.1:2379", "URL that clients use")
	f.BoolVar(&o.fresh, "new", false, "make a new store in an empty data directory, as init does; not for a service: after the loss of its disk it would make a second store")
	f.StringVar(&o.namespace, "namespace", "/service/", "where the keys of clusters begin (Patroni's namespace): the store's leader leaves the machine of a primary; empty: it doesn't")
	f.DurationVar(&o.heartbeat, "heartbeat", 100*time.Millisecond, "interval of the leader's heartbeats, about the round trip between members")
	f.DurationVar(&o.election, "election-timeout", time.Second, "silence of the leader after which another is elected; one and a half of it is the shortest lease")
	f.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	f.StringVar(&o.client.cert, "cert-file", "", "certificate for clients; also for the other members unless --peer-cert-file is given")
	f.StringVar(&o.client.key, "key-file", "", "its key")
	f.StringVar(&o.client.ca, "trusted-ca-file", "", "CA whose certificates clients must show")
	f.StringVar(&o.peer.cert, "peer-cert-file", "", "certificate for the other members")
	f.StringVar(&o.peer.key, "peer-key-file", "", "its key")
	f.StringVar(&o.peer.ca, "peer-trusted-ca-file", "", "CA whose certificates the other members must show")
}

// place are the flags that say whose a data directory is.
func (o *options) place(f *pflag.FlagSet) {
	f.StringVar(&o.name, "name", "", `this member's name in --initial-cluster (default: that of the data directory, "store" for a new one)`)
	f.StringVar(&o.dataDir, "data-dir", "", "directory of this member's data (required)")
	f.StringVar(&o.listenPeer, "listen-peer", "http://127.0.0.1:2380", "URL that the other members use")
	f.StringVar(&o.initialCluster, "initial-cluster", "", "all members, name=peer URL,...; only for an empty data directory (default: this one alone)")
	f.BoolVar(&o.join, "join", false, "join a store that runs, after regent-store member add; only for an empty data directory")
	f.StringVar(&o.token, "cluster-token", "", `a word that tells this store from others (default: that of the data directory, "regent" for a new one)`)
}

// adopt takes what the data directory was made for where the flags don't say it.
func (o *options) adopt() error {
	if o.dataDir == "" {
		return fmt.Errorf("--data-dir is missing: a directory for this member's data, e.g. /var/lib/regent-store/data")
	}
	id, err := identify(o.dataDir)
	if err != nil {
		return err
	}
	if id == nil {
		id = &identity{}
	}
	o.name = cmp.Or(o.name, id.Name, "store")
	o.token = cmp.Or(o.token, id.Token, "regent")
	if o.initialCluster == "" {
		o.initialCluster, o.join = id.Members, o.join || id.Join
	}
	return nil
}

// identity is what the options make a data directory for.
func (o options) identity() identity {
	return identity{Name: o.name, Token: o.token, Members: o.initialCluster, Join: o.join}
}

// config checks the options and says them in etcd's terms.
func (o options) config() (*embed.Config, error) {
	if strings.ContainsAny(o.name, "=, ") {
		return nil, fmt.Errorf("--name %q: a word without blanks, commas and equals signs is needed", o.name)
	}
	dir, err := filepath.Abs(o.dataDir)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	if o.peer == (certificates{}) {
		o.peer = o.client
	}
	client, err := listenURL("--listen-client", o.listenClient, o.client)
	if err != nil {
		return nil, err
	}
	peer, err := listenURL("--listen-peer", o.listenPeer, o.peer)
	if err != nil {
		return nil, err
	}
	if client.Host == peer.Host {
		return nil, fmt.Errorf("--listen-client and --listen-peer are both %s: each needs an address of its own", client.Host)
	}
	members, err := o.members(peer)
	if err != nil {
		return nil, err
	}
	if o.heartbeat < time.Millisecond || o.election < 5*o.heartbeat {
		return nil, fmt.Errorf("--election-timeout %v with --heartbeat %v: at least five heartbeats of at least 1ms are needed", o.election, o.heartbeat)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, o.logLevel) {
		return nil, fmt.Errorf("--log-level %q: debug, info, warn and error are allowed", o.logLevel)
	}
	return o.embed(dir, client, peer, members), nil
}

func (o options) embed(dir string, client, peer url.URL, members string) *embed.Config {
	c := embed.NewConfig()
	c.Name, c.Dir = o.name, dir
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster, c.InitialClusterToken = members, o.token
	c.ClusterState = embed.ClusterStateFlagNew
	if o.join {
		c.ClusterState = embed.ClusterStateFlagExisting
	}
	c.TickMs, c.ElectionMs = uint(o.heartbeat.Milliseconds()), uint(o.election.Milliseconds())
	o.client.apply(&c.ClientTLSInfo)
	if peer.Scheme == "https" {
		o.peer.apply(&c.PeerTLSInfo)
	}
	// The leader's documents are written in every loop of every agent: without
	// this the history would fill the store's quota.
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	c.Logger, c.LogLevel = "zap", o.logLevel
	return c
}

// members checks --initial-cluster, or makes it of this member alone.
func (o options) members(peer url.URL) (string, error) {
	if o.initialCluster == "" {
		if o.join {
			return "", fmt.Errorf("--join without --initial-cluster: name all members, as regent-store member add printed them")
		}
		return o.name + "=" + peer.String(), nil
	}
	urls := map[string]string{}
	for _, entry := range strings.Split(o.initialCluster, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok {
			return "", fmt.Errorf("--initial-cluster: %q is not name=URL", entry)
		}
		if _, err := parseURL("--initial-cluster", address); err != nil {
			return "", err
		}
		if urls[name] != "" {
			return "", fmt.Errorf("--initial-cluster: %s is named twice", name)
		}
		urls[name] = address
	}
	own, ok := urls[o.name]
	switch names := slices.Sorted(maps.Keys(urls)); {
	case len(urls) > maxMembers:
		return "", fmt.Errorf("--initial-cluster has %d members: one to %d are supported", len(urls), maxMembers)
	case !ok:
		return "", fmt.Errorf("--initial-cluster has no member --name %s, only %s", o.name, strings.Join(names, ", "))
	case own != peer.String():
		return "", fmt.Errorf("--initial-cluster says %s=%s, but --listen-peer is %s: both must be the same", o.name, own, peer.String())
	}
	return o.initialCluster, nil
}

// listenURL is where to listen; https and certificates need each other.
func listenURL(flag, text string, c certificates) (url.URL, error) {
	u, err := parseURL(flag, text)
	if err != nil {
		return u, err
	}
	switch host := net.ParseIP(u.Hostname()); {
	case host == nil && u.Hostname() != "localhost":
		return u, fmt.Errorf("%s %s: an IP address is needed to listen on", flag, text)
	case host.IsUnspecified():
		return u, fmt.Errorf("%s %s: others are told this address, so it must be one of this machine's, not all", flag, text)
	case u.Scheme == "https" && (c.cert == "" || c.key == ""):
		return u, fmt.Errorf("%s %s: https needs --cert-file and --key-file", flag, text)
	case u.Scheme == "http" && c.cert != "":
		return u, fmt.Errorf("%s %s: with --cert-file it must be https", flag, text)
	}
	for _, file := range []string{c.cert, c.key, c.ca} {
		if file == "" {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return u, fmt.Errorf("certificates for %s: %w", flag, err)
		}
		f.Close()
	}
	return u, nil
}

func parseURL(flag, text string) (url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return url.URL{}, fmt.Errorf("%s: %w", flag, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return url.URL{}, fmt.Errorf("%s %s: the schemes http and https are allowed", flag, text)
	case u.Port() == "" || u.Path != "":
		return url.URL{}, fmt.Errorf("%s %s: scheme://address:port is needed", flag, text)
	}
	return *u, nil
}
