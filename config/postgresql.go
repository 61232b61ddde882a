package config

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-ha/regent/postgres"
)

// localOnly are the keys of "postgresql" that the cluster's configuration can't set.
var localOnly = []string{
	"connect_address", "proxy_address", "listen", "data_dir", "config_dir", "pgpass", "authentication",
	"bin_dir", "bin_name", "config_base_name", "remove_failed_data_directory",
}

// parseOptions reads what holds for the life of the process.
func (c *Config) parseOptions(s *section) {
	c.PostgreSQL = postgres.Options{
		Name:           c.Name,
		Scope:          c.Scope,
		DataDir:        s.file("data_dir"),
		BinDir:         s.text("bin_dir", ""),
		BinNames:       s.programs(),
		ConfigDir:      s.file("config_dir"),
		ConfigBaseName: s.text("config_base_name", ""),
		PassFile:       s.file("pgpass"),
		RemoveFailed:   s.flag("remove_failed_data_directory", false),
	}
	s.missing("data_dir", "")
	c.ProxyAddress = s.address("proxy_address", "")
}

// file is a path, made absolute.
func (s *section) file(name string) string {
	path := s.text(name, "")
	if path == "" {
		if s.has(name) && !s.failed() {
			s.bad(name, "is empty")
		}
		return ""
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		s.bad(name, "%q: %v", path, err)
	}
	return absolute
}

var programs = []string{"pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready", "pg_rewind"}

func (s *section) programs() map[string]string {
	sub := s.sub("bin_name")
	var names map[string]string
	for _, program := range programs {
		name := sub.text(program, "")
		if name == "" {
			continue
		}
		if names == nil {
			names = map[string]string{}
		}
		names[program] = name
	}
	sub.rest()
	return names
}

// shared reads what both configurations may have, all but the parameters. In a
// complete section every method that is named must be there.
func (s *section) shared(complete bool) postgres.Settings {
	p := postgres.Settings{
		Database:          s.text("database", ""),
		UseUnixSocket:     s.flag("use_unix_socket", false),
		UseUnixSocketRepl: s.flag("use_unix_socket_repl", false),
		KrbSrvName:        s.text("krbsrvname", ""),

		HBA:        s.list("pg_hba"),
		Ident:      s.list("pg_ident"),
		CustomConf: s.text("custom_conf", ""),

		CtlTimeout:   s.seconds("pg_ctl_timeout", time.Minute, time.Second),
		UseSlots:     s.flag("use_slots", true),
		UseRewind:    s.flag("use_pg_rewind", false),
		RewindArgs:   s.options("rewind", rewindReserved),
		CloneArgs:    s.options("basebackup", basebackupReserved),
		CloneMethods: s.cloneMethods(complete),

		RemoveOnRewindFailure:     s.flag("remove_data_directory_on_rewind_failure", false),
		RemoveOnDivergedTimelines: s.flag("remove_data_directory_on_diverged_timelines", false),

		Callbacks:  s.callbacks(),
		PrePromote: s.text("pre_promote", ""),
		BeforeStop: s.text("before_stop", ""),
	}
	for _, arg := range p.CloneArgs {
		if strings.HasPrefix(arg, "--compress") && !strings.HasPrefix(arg, "--compress=server") {
			s.bad("basebackup", "the option %q is not allowed here: compression in the server is (compress: server-…)", arg)
		}
	}
	for _, name := range []string{"parameters", "pg_hba", "pg_ident"} {
		for _, role := range []string{"_primary", "_replica", "_standby_leader"} {
			if _, given := s.take(name + role); given {
				s.warn(s.key(name+role), "isn't supported yet, ignored")
			}
		}
	}
	s.takeMethods()
	return p
}

// own reads what only a member itself can say.
func (c *Config) own(s *section, p *postgres.Settings) {
	p.Listen, p.ConnectAddress = s.listen()
	s.credentials(p)
	if b := c.Bootstrap; b != nil {
		p.InitdbArgs, p.BootstrapHBA, p.BootstrapMethod, p.PostBootstrap = b.Initdb, b.PgHBA, b.Method, b.PostBootstrap
	}
}

// Options of PostgreSQL's programs that are ours to give.
var (
	basebackupReserved = []string{"pgdata", "format", "wal-method", "xlog-method", "gzip", "version", "dbname", "host", "port", "username", "password"}
	rewindReserved     = []string{
		"target-pgdata", "source-pgdata", "source-server", "write-recovery-conf", "dry-run", "restore-target-wal",
		"config-file", "no-ensure-shutdown", "version", "help",
	}
)

// listen reads where the server listens and where others reach it.
func (s *section) listen() (listen, connect string) {
	listen = s.text("listen", "")
	connect = s.address("connect_address", "")
	if !s.has("listen") {
		s.missing("listen", `"address,address:port" of this member's PostgreSQL`)
		return "", connect
	}
	host, _, err := splitAddress(withPort(listen, postgresPort))
	if err != nil {
		s.bad("listen", "%q is not allowed: %v", listen, err)
		return "", connect
	}
	if connect == "" && !s.has("connect_address") && everywhere(host) {
		s.warn(s.key("connect_address"), "missing: others can't reach this member by %q", host)
	}
	return listen, connect
}

const postgresPort = "5432"

// credentials reads the accounts that the agent uses.
func (s *section) credentials(p *postgres.Settings) {
	auth := s.sub("authentication")
	p.Superuser = auth.account("superuser")
	p.Replication = auth.account("replication")
	p.Rewind = auth.account("rewind")
	if s.present && !auth.failed() && p.Replication.Username == "" {
		s.warn(s.key("authentication.replication"), "missing: standbys connect as the superuser")
		p.Replication = p.Superuser
	}
	auth.rest()
}

var connectionOptions = []string{
	"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "gssencmode", "channel_binding", "sslnegotiation",
}

func (s *section) account(name string) postgres.Credentials {
	sub := s.sub(name)
	c := postgres.Credentials{Username: sub.text("username", ""), Password: sub.secret("password").Reveal(), Setting: sub.path}
	if c.Username == "" && c.Password != "" {
		sub.bad("username", "missing: password needs it")
	}
	sub.oneOf("sslmode", "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
	for _, option := range connectionOptions {
		v := sub.secret(option).Reveal()
		if v == "" {
			continue
		}
		if c.Options == nil {
			c.Options = map[string]string{}
		}
		c.Options[option] = v
	}
	sub.rest()
	return c
}

func (s *section) callbacks() map[string]string {
	sub := s.sub("callbacks")
	var commands map[string]string
	for _, event := range []string{"on_start", "on_stop", "on_restart", "on_reload", "on_role_change"} {
		command := sub.text(event, "")
		if command == "" {
			continue
		}
		if commands == nil {
			commands = map[string]string{}
		}
		commands[event] = command
	}
	sub.rest()
	return commands
}

// cloneMethods reads how a replica is made. The name basebackup, without a
// command, is pg_basebackup.
func (s *section) cloneMethods(complete bool) []postgres.Method {
	names := s.list("create_replica_method")
	if s.has("create_replica_methods") {
		names = s.list("create_replica_methods")
	}
	s.take("create_replica_methods")
	var methods []postgres.Method
	before := len(s.problems)
	for _, name := range names {
		switch {
		case name == "basebackup":
			methods = append(methods, postgres.Method{Name: name})
		case s.has(name):
			if m := s.sub(name).method(name); m != nil {
				methods = append(methods, *m)
			}
		case complete:
			s.warn(s.key("create_replica_methods"), "%q has no section of its own, left out", name)
		}
	}
	if complete && len(names) > 0 && len(methods) == 0 && len(s.problems) == before {
		s.bad("create_replica_methods", "none of %s has a section of its own", strings.Join(names, ", "))
	}
	return methods
}
