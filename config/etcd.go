package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/dcs/etcd2"
)

// Etcd says how to reach etcd. The section etcd3 is for version 3 of its API, etcd
// for version 2, whose keys are others.
type Etcd struct {
	Kind      string   // etcd or etcd3
	Endpoints []string // URLs; empty with SRV
	SRV       string   // domain whose SRV records name the servers
	NamedBy   string   // the key that names them: hosts, srv, ...
	SRVSuffix string
	Protocol  string // http or https
	Username  string
	Password  Secret
	CACert    string // files, PEM
	Cert, Key string
	Proxies   bool // the servers named stand for all: others aren't looked for
}

// etcdPort is where etcd serves clients.
const etcdPort = "2379"

func parseEtcd(s *section) Etcd {
	e := Etcd{
		Kind:      s.path,
		Protocol:  s.oneOf("protocol", "http", "http", "https"),
		SRVSuffix: s.text("srv_suffix", ""),
		Username:  s.text("username", ""),
		Password:  s.secret("password"),
		CACert:    s.text("cacert", ""),
		Cert:      s.text("cert", ""),
		Key:       s.text("key", ""),
	}
	e.readServers(s)
	if e.Key != "" && e.Cert == "" {
		s.bad("cert", "missing: key needs it")
	}
	if s.has("username") != s.has("password") {
		s.refuse(s.path, "needs both username and password, or neither")
	}
	if (e.CACert != "" || e.Cert != "") && e.Protocol == "http" && !slices.ContainsFunc(e.Endpoints, isTLS) {
		s.warn(s.key("protocol"), "http doesn't use cacert and cert: https does")
	}
	e.Proxies = s.flag("use_proxies", false) || s.has("proxy")
	s.rest()
	return e
}

// readServers reads the one key that names the servers.
func (e *Etcd) readServers(s *section) {
	var given []string
	for _, name := range []string{"host", "hosts", "url", "proxy", "srv", "discovery_srv", "srv_domain"} {
		if !s.has(name) {
			s.take(name)
			continue
		}
		given = append(given, name)
		if strings.Contains(name, "srv") {
			e.SRV = s.text(name, "")
			continue
		}
		for _, host := range s.commaList(name) {
			endpoint, err := etcdEndpoint(host, e.Protocol)
			if err != nil {
				s.bad(name, "%q is not allowed: %v", hidePassword(host), err)
				continue
			}
			e.Endpoints = append(e.Endpoints, endpoint)
		}
		if len(e.Endpoints) == 0 && !s.failed() {
			s.bad(name, "names no server")
		}
	}
	switch len(given) {
	case 0:
		if s.broken {
			return
		}
		s.refuse(s.path, "names no server: one of host, hosts, url, srv is needed")
	case 1:
		e.NamedBy = given[0]
	default:
		s.refuse(s.path, "names its servers more than once (%s): one is allowed", strings.Join(given, ", "))
	}
}

func etcdEndpoint(host, protocol string) (string, error) {
	if scheme, rest, isURL := strings.Cut(host, "://"); isURL {
		if scheme != "http" && scheme != "https" {
			return "", badAddress("http:// or https:// is")
		}
		host, protocol = strings.TrimSuffix(rest, "/"), scheme
	}
	host = withPort(host, etcdPort)
	if _, _, err := splitAddress(host); err != nil {
		return "", err
	}
	return protocol + "://" + host, nil
}

func isTLS(endpoint string) bool { return strings.HasPrefix(endpoint, "https://") }

// hidePassword takes user:password@ out of a URL.
func hidePassword(url string) string {
	scheme, rest, isURL := strings.Cut(url, "://")
	if i := strings.LastIndexByte(rest, '@'); isURL && i >= 0 {
		return scheme + "://…@" + rest[i+1:]
	}
	return url
}

func (e Etcd) open(ctx context.Context, h handle) (dcs.DCS, error) {
	key, endpoints, err := e.servers(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	var discover time.Duration
	if !e.Proxies {
		discover = time.Minute
	}
	var tls *tls.Config
	if slices.ContainsFunc(endpoints, isTLS) {
		if tls, err = clientTLS(e.CACert, e.Cert, e.Key); err != nil {
			return nil, fmt.Errorf("%s.%w", e.Kind, err)
		}
	}
	if e.Kind == "etcd" {
		return etcd2.Open(etcd2.Options{
			Endpoints: endpoints, Username: e.Username, Password: e.Password.Reveal(), TLS: tls, Discover: discover,
			Path: h.path, Name: h.name, TTL: h.ttl, Clock: h.clock, Logger: h.logger,
		})
	}
	return etcd.Open(etcd.Options{
		Endpoints: endpoints, Username: e.Username, Password: e.Password.Reveal(), TLS: tls, Discover: discover,
		Path: h.path, Name: h.name, TTL: h.ttl, Clock: h.clock, Logger: h.logger,
	})
}

func (e Etcd) serversKey() string { return e.Kind + "." + e.NamedBy }

func (e Etcd) servers(ctx context.Context) (string, []string, error) {
	endpoints, err := e.lookUp(ctx, net.DefaultResolver.LookupSRV)
	return e.serversKey(), endpoints, err
}

func (e Etcd) setting(err error) string {
	if etcd.IsLoginRefused(err) || etcd2.IsLoginRefused(err) {
		return e.Kind + ".username, " + e.Kind + ".password"
	}
	where := e.Endpoints
	if e.SRV != "" {
		where = []string{e.SRV}
	}
	return e.serversKey() + ": " + strings.Join(where, ", ")
}

func (e Etcd) files() []namedFile {
	return []namedFile{{e.Kind + ".cacert", e.CACert}, {e.Kind + ".cert", e.Cert}, {e.Kind + ".key", e.Key}}
}
