package config

import (
	"net/netip"
	"strings"
)

// Auth is a user name with its password. Both are empty where none is asked for.
type Auth struct {
	Username string
	Password Secret
}

// RESTAPI is the HTTP server of a member.
type RESTAPI struct {
	Listen         string // host:port
	ConnectAddress string // host:port that others reach it by
	Auth           Auth   // for requests that change something

	CertFile, KeyFile string // PEM; empty: no TLS
	KeyFilePassword   Secret
	CAFile            string // whose client certificates are good
	Ciphers           string // as OpenSSL names them
	VerifyClient      string // none, optional (for requests that change something), required

	Allowlist               []string // hosts, addresses and networks that may change something; empty: all
	AllowlistIncludeMembers bool
	ExtraHeaders            map[string]string // of every answer
	TLSExtraHeaders         map[string]string // of every answer over TLS
	ServerTokens            string            // original, productonly, minimal
}

// Ctl is how requests to the members' REST API are made, by the control program
// and among members.
type Ctl struct {
	Auth              Auth
	Insecure          bool // don't verify the server's certificate
	CACert            string
	CertFile, KeyFile string
	KeyFilePassword   Secret
}

func parseRESTAPI(s *section) RESTAPI {
	api := RESTAPI{
		Listen:                  s.address("listen", ""),
		Auth:                    s.auth(),
		CertFile:                s.text("certfile", ""),
		KeyFile:                 s.text("keyfile", ""),
		KeyFilePassword:         s.secret("keyfile_password"),
		CAFile:                  s.text("cafile", ""),
		Ciphers:                 s.text("ciphers", ""),
		VerifyClient:            s.oneOf("verify_client", "none", "none", "optional", "required"),
		Allowlist:               s.commaList("allowlist"),
		AllowlistIncludeMembers: s.flag("allowlist_include_members", false),
		ExtraHeaders:            s.table("http_extra_headers"),
		TLSExtraHeaders:         s.table("https_extra_headers"),
		ServerTokens:            strings.ToLower(s.oneOf("server_tokens", "original", "original", "productonly", "minimal")),
	}
	api.ConnectAddress = s.address("connect_address", api.Listen)
	s.missing("listen", "host:port of this member's REST API")
	if api.CertFile == "" && (api.KeyFile != "" || api.VerifyClient != "none") {
		s.bad("certfile", "missing: keyfile and verify_client need it")
	}
	if api.VerifyClient != "none" && api.CAFile == "" {
		s.bad("cafile", "missing: verify_client %s needs it", api.VerifyClient)
	}
	for _, entry := range api.Allowlist {
		if _, err := netip.ParsePrefix(entry); err != nil && strings.Contains(entry, "/") {
			s.bad("allowlist", "%q is neither a host nor an address nor a network", entry)
		}
	}
	s.noEffect("request_queue_size", "thread_pool_size")
	s.rest()
	return api
}

func parseCtl(s *section) Ctl {
	ctl := Ctl{
		Auth:            s.auth(),
		Insecure:        s.flag("insecure", false),
		CACert:          s.text("cacert", ""),
		CertFile:        s.text("certfile", ""),
		KeyFile:         s.text("keyfile", ""),
		KeyFilePassword: s.secret("keyfile_password"),
	}
	if ctl.KeyFile != "" && ctl.CertFile == "" {
		s.bad("certfile", "missing: keyfile needs it")
	}
	s.rest()
	return ctl
}

// auth reads a section's "authentication", or its former spelling: an "auth" of
// the form user:password.
func (s *section) auth() Auth {
	if both := s.secret("auth").Reveal(); both != "" && !s.has("authentication") {
		user, password, ok := strings.Cut(both, ":")
		if !ok || user == "" || password == "" {
			s.bad("auth", "must be user:password")
		}
		return Auth{user, Secret(password)}
	}
	sub := s.sub("authentication")
	auth := Auth{Username: sub.text("username", ""), Password: sub.secret("password")}
	if sub.has("username") != sub.has("password") {
		s.bad("authentication", "needs both username and password")
	}
	sub.rest()
	return auth
}
