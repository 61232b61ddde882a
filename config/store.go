package config

import (
	"fmt"
	"slices"
	"strings"
)

// Store is the distributed configuration store that was chosen.
type Store struct {
	Kind   string // the section's name: "etcd3", "consul", ...
	Etcd3  Etcd3  // where Kind is etcd3
	Consul Consul // where Kind is consul
}

// storeKeys are the sections that name a store, each with its keys if nothing
// else knows them.
var storeKeys = []struct{ kind, keys string }{
	{"consul", ""},
	{"etcd", etcdKeys},
	{"etcd3", ""},
	{"exhibitor", "hosts port poll_interval"},
	{"kubernetes", "labels scope_label role_label leader_label_value follower_label_value standby_leader_label_value tmp_role_label namespace" +
		" use_endpoints pod_ip ports bypass_api_service cacert context retriable_http_codes bootstrap_labels"},
	{"raft", "self_addr bind_addr partner_addrs data_dir password min_timeout max_timeout connection_timeout append_entries_period" +
		" connection_retry_time leader_fallback_timeout"},
	{"zookeeper", "hosts use_ssl cacert cert key key_password verify set_acls auth_data"},
}

const etcdKeys = "host hosts url proxy srv discovery_srv srv_domain srv_suffix use_proxies protocol username password cacert cert key"

// supported are the kinds of stores that OpenDCS can open.
const supported = "consul, etcd3"

func parseStore(s *section) Store {
	var found []string
	var store Store
	for _, known := range storeKeys {
		sub := s.sub(known.kind)
		if !s.has(known.kind) {
			continue
		}
		found = append(found, known.kind)
		store.Kind = known.kind
		switch known.kind {
		case "consul":
			store.Consul = parseConsul(sub)
			continue
		case "etcd3":
			store.Etcd3 = parseEtcd3(sub)
			continue
		}
		for key := range strings.FieldsSeq(known.keys) {
			sub.take(key)
		}
		sub.rest()
	}
	switch len(found) {
	case 0:
		s.refuse("etcd3", "missing: no store is configured (supported: %s)", supported)
	case 1:
	default:
		s.refuse(strings.Join(found, ", "), "several stores are configured: one is allowed")
	}
	return store
}

// serversKey is the key that names the store's servers.
func (s Store) serversKey() string {
	if s.Kind == "consul" {
		return "consul." + s.Consul.NamedBy
	}
	return s.Kind + "." + s.Etcd3.NamedBy
}

func (s Store) unsupported() error {
	return fmt.Errorf("store %s isn't supported yet; supported: %s", s.Kind, supported)
}

// Etcd3 says how to reach etcd by its v3 API.
type Etcd3 struct {
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

func parseEtcd3(s *section) Etcd3 {
	e := Etcd3{
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
func (e *Etcd3) readServers(s *section) {
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
