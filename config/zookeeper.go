package config

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
)

// ZooKeeper says how to reach ZooKeeper.
type ZooKeeper struct {
	Hosts  []string // host:port
	Chroot string   // path that everything lies below; empty: the root
	ZooKeeperAccess
}

// ZooKeeperAccess says how its servers are spoken to, whoever they are.
type ZooKeeperAccess struct {
	UseSSL    bool
	CACert    string // files, PEM
	Cert, Key string
	Verify    bool             // the servers' certificates
	ACLs      []zookeeper.ACL  // of the nodes that are created; empty: anybody may do anything
	AuthData  []ZooKeeperLogin // in the order of the schemes' names
}

// ZooKeeperLogin is a credential of one of ZooKeeper's schemes.
type ZooKeeperLogin struct {
	Scheme     string
	Credential Secret
}

// zookeeperPort is where ZooKeeper serves clients.
const zookeeperPort = "2181"

func parseZooKeeper(s *section) ZooKeeper {
	var z ZooKeeper
	z.readHosts(s)
	z.ZooKeeperAccess = parseZooKeeperAccess(s)
	s.rest()
	return z
}

func parseZooKeeperAccess(s *section) ZooKeeperAccess {
	z := ZooKeeperAccess{
		UseSSL: s.flag("use_ssl", false),
		CACert: s.text("cacert", ""),
		Cert:   s.text("cert", ""),
		Key:    s.text("key", ""),
		Verify: s.flag("verify", true),
	}
	z.readACLs(s.sub("set_acls"))
	z.readAuthData(s)
	if s.secret("key_password") != "" {
		s.bad("key_password", "keys with a password aren't supported: remove it from the key (openssl pkey -in KEY -out NEW) and protect the file")
	}
	if z.Key != "" && z.Cert == "" {
		s.bad("cert", "missing: key needs it")
	}
	if !z.UseSSL && (z.CACert != "" || z.Cert != "" || s.has("verify")) {
		s.warn(s.key("use_ssl"), "false doesn't use cacert, cert and verify: true does")
	}
	if z.UseSSL && !z.Verify {
		s.warn(s.key("verify"), "false: whoever answers in place of the servers is believed")
	}
	return z
}

// readHosts reads the servers, after the last of which the path may stand that
// everything lies below.
func (z *ZooKeeper) readHosts(s *section) {
	if !s.has("hosts") {
		s.take("hosts")
		s.missing("hosts", "it names the servers, as host:port")
		return
	}
	hosts := s.commaList("hosts")
	for i, host := range hosts {
		if server, path, ok := strings.Cut(host, "/"); ok && !strings.HasPrefix(path, "/") && i == len(hosts)-1 {
			host, z.Chroot = server, "/"+strings.Trim(path, "/")
		}
		host = withPort(host, zookeeperPort)
		if _, _, err := splitAddress(host); err != nil {
			s.bad("hosts", "%q is not allowed: %v", hidePassword(hosts[i]), err)
			continue
		}
		z.Hosts = append(z.Hosts, host)
	}
	if z.Chroot == "/" {
		z.Chroot = ""
	}
	if len(hosts) == 0 && !s.failed() {
		s.bad("hosts", "names no server")
	}
}

var zookeeperPerms = map[string]zookeeper.Perms{
	"CREATE": zookeeper.Create, "READ": zookeeper.Read, "WRITE": zookeeper.Write, "DELETE": zookeeper.Delete,
	"ADMIN": zookeeper.Admin, "ALL": zookeeper.All,
}

// readACLs reads what each principal may do. A principal is scheme:id, or the
// subject of a certificate.
func (z *ZooKeeperAccess) readACLs(s *section) {
	var all zookeeper.Perms
	for _, principal := range s.names() {
		a := zookeeper.ACL{Scheme: "x509", ID: principal}
		if scheme, id, ok := strings.Cut(principal, ":"); ok && slices.Contains([]string{"digest", "x509", "ip", "world", "sasl", "host"}, scheme) {
			a.Scheme, a.ID = scheme, id
		}
		for _, perm := range s.commaList(principal) {
			bit, known := zookeeperPerms[strings.ToUpper(perm)]
			if !known {
				s.bad(principal, "%q is not allowed: %s are", perm, strings.Join(slices.Sorted(maps.Keys(zookeeperPerms)), ", "))
			}
			a.Perms |= bit
		}
		if a.Perms == 0 && !s.failed() {
			s.bad(principal, "allows nothing: one of %s is needed", strings.Join(slices.Sorted(maps.Keys(zookeeperPerms)), ", "))
		}
		all |= a.Perms
		z.ACLs = append(z.ACLs, a)
	}
	if need := zookeeper.All &^ zookeeper.Admin; len(z.ACLs) > 0 && !s.failed() && all&need != need {
		s.refuse(s.path, "allows nobody all of CREATE, READ, WRITE, DELETE, which members need")
	}
}

func (z *ZooKeeperAccess) readAuthData(s *section) {
	sub := s.sub("auth_data")
	for _, scheme := range sub.names() {
		if strings.Contains(scheme, ":") { // it holds the credential
			s.bad("auth_data", "must be a map of schemes to credentials: a blank is missing after a colon")
			continue
		}
		if scheme == "sasl" {
			sub.bad(scheme, "isn't supported: digest is, and certificates (use_ssl, cert)")
			continue
		}
		credential := sub.secret(scheme)
		if credential == "" && !sub.failed() {
			sub.bad(scheme, "must be the scheme's credential, as user:password")
		}
		z.AuthData = append(z.AuthData, ZooKeeperLogin{scheme, credential})
	}
}

func (z ZooKeeper) open(_ context.Context, h handle) (dcs.DCS, error) {
	return z.openAt("zookeeper", zookeeper.Options{Servers: z.Hosts, Chroot: z.Chroot}, h)
}

// openAt makes a handle with the options that say who the servers are.
func (z ZooKeeperAccess) openAt(section string, o zookeeper.Options, h handle) (dcs.DCS, error) {
	o.ACL, o.Path, o.Name, o.TTL, o.Clock, o.Logger = z.ACLs, h.path, h.name, h.ttl, h.clock, h.logger
	for _, a := range z.AuthData {
		o.Auth = append(o.Auth, zookeeper.Auth{Scheme: a.Scheme, Credential: a.Credential.Reveal()})
	}
	if z.UseSSL {
		var err error
		if o.TLS, err = clientTLS(z.CACert, z.Cert, z.Key); err != nil {
			return nil, fmt.Errorf("%s.%w", section, err)
		}
		o.TLS.InsecureSkipVerify = !z.Verify
	}
	return zookeeper.Open(o)
}

func (z ZooKeeper) servers(context.Context) (string, []string, error) {
	return "zookeeper.hosts", zookeeperURLs(z.Hosts), nil
}

func zookeeperURLs(servers []string) (urls []string) {
	for _, server := range servers {
		urls = append(urls, "zookeeper://"+server)
	}
	return urls
}

func (z ZooKeeper) setting(err error) string { return zookeeperSetting("zookeeper", z.Hosts, err) }

// zookeeperSetting names what an error is about: who logs in, or the hosts.
func zookeeperSetting(section string, hosts []string, err error) string {
	if zookeeper.IsLoginRefused(err) {
		return section + ".auth_data, " + section + ".set_acls"
	}
	return section + ".hosts: " + strings.Join(hosts, ", ")
}

func (z ZooKeeper) files() []namedFile { return z.filesOf("zookeeper") }

func (z ZooKeeperAccess) filesOf(section string) []namedFile {
	return []namedFile{{section + ".cacert", z.CACert}, {section + ".cert", z.Cert}, {section + ".key", z.Key}}
}
