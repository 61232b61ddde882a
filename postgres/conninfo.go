package postgres

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// conninfo is a libpq connection string in parts, in order (PostgreSQL
// documentation, "Connection Strings").
type conninfo []keyword

type keyword struct{ name, value string }

func (c *conninfo) add(name, value string) {
	if value != "" {
		*c = append(*c, keyword{name, value})
	}
}

// String quotes what needs it; libpq and pgx read it alike.
func (c conninfo) String() string {
	parts := make([]string, len(c))
	for i, k := range c {
		value := k.value
		if value == "" || strings.ContainsAny(value, " \t\n\r\v\f'\\") {
			value = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
		}
		parts[i] = k.name + "=" + value
	}
	return strings.Join(parts, " ")
}

// Major versions of the server that know these keywords first.
const (
	firstGSSEncMode     = 12
	firstTCPUserTimeout = 12
	firstChannelBinding = 13
	firstSSLNegotiation = 17
)

// receiverTCPTimeout is how long what a WAL receiver sent may stay without an
// acknowledgement until the kernel ends the connection. Without it a standby
// notices a primary whose host is gone only by wal_receiver_timeout.
const receiverTCPTimeout = "10000" // milliseconds

// primaryConninfo is what a standby named application follows up with. major is
// of the standby's server. The password is in passFile, not here; the
// passphrase of a key, which no such file can hold, is here.
func (s Settings) primaryConninfo(application string, up Upstream, passFile string, major int) string {
	cred := s.Replication
	var c conninfo
	c.add("dbname", s.database())
	c.add("user", cred.Username)
	if cred.Password != "" {
		c.add("passfile", passFile)
	}
	c.add("host", up.Host)
	c.add("port", portText(up.Port))
	c.addSSL(cred, true)
	c.add("application_name", application)
	c.add("krbsrvname", s.KrbSrvName)
	if major >= firstGSSEncMode {
		c.add("gssencmode", cred.option("gssencmode", "prefer"))
	}
	if major >= firstChannelBinding {
		c.add("channel_binding", cred.option("channel_binding", "prefer"))
	}
	if strings.Contains(up.Host, ",") {
		c.add("target_session_attrs", "read-write")
	}
	if major >= firstSSLNegotiation {
		c.add("sslnegotiation", cred.Options["sslnegotiation"]) // not its default: the server's libpq may be older than itself
	}
	if major >= firstTCPUserTimeout {
		c.add("tcp_user_timeout", receiverTCPTimeout)
	}
	return c.String()
}

// programConninfo is for the arguments of a program, which everybody can read:
// it has no secret.
func (s Settings) programConninfo(cred Credentials, host string, port int, database, passFile string) string {
	var c conninfo
	c.add("dbname", database)
	c.add("user", cred.Username)
	if cred.Password != "" {
		c.add("passfile", passFile)
	}
	c.add("host", host)
	c.add("port", portText(port))
	c.addSSL(cred, false)
	c.add("krbsrvname", s.KrbSrvName)
	for _, name := range []string{"gssencmode", "channel_binding", "sslnegotiation"} {
		c.add(name, cred.Options[name])
	}
	if strings.Contains(host, ",") {
		c.add("target_session_attrs", "read-write")
	}
	return c.String()
}

func (c *conninfo) addSSL(cred Credentials, passphrase bool) {
	c.add("sslmode", cred.option("sslmode", "prefer"))
	for _, name := range []string{"sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir"} {
		if name != "sslpassword" || passphrase {
			c.add(name, cred.Options[name])
		}
	}
}

// connectSeconds bounds a connection attempt of ours, within the caller's context.
const connectSeconds = "3"

// connConfig is how we connect ourselves. Nothing of it comes from the PG*
// variables of our environment where that could send us elsewhere.
func (s Settings) connConfig(cred Credentials, host string, port int, parameters map[string]string) (*pgx.ConnConfig, error) {
	var c conninfo
	c.add("host", host)
	c.add("port", portText(port))
	c.add("user", cred.Username)
	c.add("dbname", s.database())
	c.add("connect_timeout", connectSeconds)
	c.addSSL(cred, true)
	c = c.without("sslcrl", "sslcrldir") // pgx has no revocation lists
	c.add("krbsrvname", s.KrbSrvName)
	c.add("channel_binding", cred.option("channel_binding", "prefer"))
	c.add("sslnegotiation", cred.option("sslnegotiation", "postgres"))
	c.add("target_session_attrs", "any")
	config, err := pgx.ParseConfig(c.String())
	if err != nil {
		text := err.Error()
		if secret := cred.Options["sslpassword"]; secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
		return nil, fmt.Errorf("postgres: connect to %s port %d as %q: %s", host, port, cred.Username, text)
	}
	config.Password = cred.Password
	config.RuntimeParams = map[string]string{"application_name": "regent", "search_path": "pg_catalog"}
	for name, value := range parameters {
		config.RuntimeParams[name] = value
	}
	return config, nil
}

func (c conninfo) without(names ...string) conninfo {
	var kept conninfo
next:
	for _, k := range c {
		for _, name := range names {
			if k.name == name {
				continue next
			}
		}
		kept = append(kept, k)
	}
	return kept
}

func (cred Credentials) option(name, otherwise string) string {
	if value := cred.Options[name]; value != "" {
		return value
	}
	return otherwise
}

func portText(port int) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(port)
}

func (s Settings) database() string {
	if s.Database != "" {
		return s.Database
	}
	return "postgres"
}

// rewindCredentials are those of the role that reads a source for a rewind.
func (s Settings) rewindCredentials() Credentials {
	if s.Rewind.Username != "" {
		return s.Rewind
	}
	return s.Superuser
}

// localAddress is where we reach our own server. An empty host is the default
// socket directory.
func (s Settings) localAddress(unixSocket bool) (host string, port int, err error) {
	addresses, port, err := splitListen(s.Listen)
	if err != nil {
		return "", 0, err
	}
	if unixSocket {
		first, _, _ := strings.Cut(s.Parameters["unix_socket_directories"], ",")
		first = strings.TrimSpace(first)
		if first != "" && !filepath.IsAbs(first) && !strings.HasPrefix(first, "@") {
			return "", 0, fmt.Errorf("unix_socket_directories is %q: its first path must be absolute", first)
		}
		return first, port, nil
	}
	return nearest(addresses), port, nil
}

// nearest is the one of listen_addresses that we connect to.
func nearest(addresses string) string {
	first := ""
	for address := range strings.SplitSeq(addresses, ",") {
		switch address = strings.TrimSpace(address); address {
		case "*", "localhost":
			return "localhost"
		case "0.0.0.0", "127.0.0.1":
			return "127.0.0.1"
		}
		if first == "" {
			first = address
		}
	}
	return first
}
