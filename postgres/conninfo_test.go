package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPrimaryConninfoOrder(t *testing.T) {
	s := Settings{Replication: Credentials{Username: "replicator", Password: "se cret", Options: map[string]string{"sslmode": "verify-ca", "sslrootcert": "/etc/my ca"}}, KrbSrvName: "pg"}
	up := Upstream{Host: "10.0.0.1", Port: 5433}
	for major, want := range map[int]string{
		11: `dbname=postgres user=replicator passfile=/run/pgpass host=10.0.0.1 port=5433 sslmode=verify-ca sslrootcert='/etc/my ca' application_name=node-1 krbsrvname=pg`,
		15: `dbname=postgres user=replicator passfile=/run/pgpass host=10.0.0.1 port=5433 sslmode=verify-ca sslrootcert='/etc/my ca' application_name=node-1 krbsrvname=pg gssencmode=prefer channel_binding=prefer tcp_user_timeout=10000`,
		17: `dbname=postgres user=replicator passfile=/run/pgpass host=10.0.0.1 port=5433 sslmode=verify-ca sslrootcert='/etc/my ca' application_name=node-1 krbsrvname=pg gssencmode=prefer channel_binding=prefer tcp_user_timeout=10000`,
	} {
		if got := s.primaryConninfo("node-1", up, "/run/pgpass", major); got != want {
			t.Errorf("version %d\n got %s\nwant %s", major, got, want)
		}
	}
	up.Host = "a,b"
	want := `dbname=postgres user=replicator passfile=/run/pgpass host=a,b port=5433 sslmode=verify-ca sslrootcert='/etc/my ca' application_name=node-1 krbsrvname=pg gssencmode=prefer channel_binding=prefer target_session_attrs=read-write tcp_user_timeout=10000`
	if got := s.primaryConninfo("node-1", up, "/run/pgpass", 15); got != want {
		t.Errorf("several hosts\n got %s\nwant %s", got, want)
	}
}

func TestConninfoQuotingIsReadBack(t *testing.T) {
	for _, value := range []string{"plain", "with blank", `it's`, `back\slash`, ` '\ `, "tab\there", "=", "ü"} {
		c := conninfo{{"host", "h"}, {"user", value}, {"dbname", value}}
		config, err := pgx.ParseConfig(c.String())
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if config.User != value || config.Database != value {
			t.Errorf("%q was read back as %q and %q from %s", value, config.User, config.Database, c)
		}
	}
}

func TestConnConfigIgnoresTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{"PGPASSWORD": "theirs", "PGHOST": "elsewhere", "PGPORT": "1", "PGUSER": "eve", "PGDATABASE": "x", "PGAPPNAME": "y", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c a=b", "PGTARGETSESSIONATTRS": "standby"} {
		t.Setenv(name, value)
	}
	config, err := Settings{}.connConfig(Credentials{Username: "u"}, "127.0.0.1", 5444, map[string]string{"statement_timeout": "2000"})
	if err != nil {
		t.Fatal(err)
	}
	if config.Password != "" || config.Host != "127.0.0.1" || config.Port != 5444 || config.User != "u" || config.Database != "postgres" {
		t.Errorf("got user %q password %q at %s:%d/%s", config.User, config.Password, config.Host, config.Port, config.Database)
	}
	if config.ValidateConnect != nil {
		t.Error("target_session_attrs was taken from the environment")
	}
	for name := range config.RuntimeParams {
		if name != "application_name" && name != "search_path" && name != "statement_timeout" {
			t.Errorf("parameter %q came from the environment", name)
		}
	}
}

func TestLocalAddress(t *testing.T) {
	for _, c := range []struct {
		listen, sockets string
		unix            bool
		host            string
		port            int
	}{
		{"10.0.0.1:5433", "", false, "10.0.0.1", 5433},
		{"10.0.0.1,127.0.0.1:5433", "", false, "127.0.0.1", 5433},
		{"0.0.0.0:5432", "", false, "127.0.0.1", 5432},
		{"*:5432", "", false, "localhost", 5432},
		{"10.0.0.1:5432", "/run/a, /run/b", true, "/run/a", 5432},
		{"10.0.0.1:5432", "", true, "", 5432},
	} {
		s := Settings{Listen: c.listen, Parameters: map[string]string{"unix_socket_directories": c.sockets}}
		host, port, err := s.localAddress(c.unix)
		if err != nil || host != c.host || port != c.port {
			t.Errorf("%+v: got %q %d %v", c, host, port, err)
		}
	}
}

func TestPassLines(t *testing.T) {
	cred := Credentials{Username: "re:pl", Password: `a:b\c`}
	for _, c := range []struct {
		host string
		port int
		want string
	}{
		{"10.0.0.1", 5432, "10.0.0.1:5432:*:re\\:pl:a\\:b\\\\c\n"},
		{"::1", 5432, "\\:\\:1:5432:*:re\\:pl:a\\:b\\\\c\n"},
		{"/run", 5432, "localhost:5432:*:re\\:pl:a\\:b\\\\c\n/run:5432:*:re\\:pl:a\\:b\\\\c\n"},
		{"a,b", 0, "a:*:*:re\\:pl:a\\:b\\\\c\nb:*:*:re\\:pl:a\\:b\\\\c\n"},
	} {
		if got := passLines(cred, c.host, c.port); got != c.want {
			t.Errorf("%s: got %q, want %q", c.host, got, c.want)
		}
	}
}
