package config

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/ha"
)

// dialTimeout is how long a server of the store may take to accept.
const dialTimeout = 3 * time.Second

// Validate loads a configuration and compares it with the machine it stands on:
// ports, addresses, files, programs, the data directory, the store. An agent
// that runs holds its ports itself: ignoreListenPort leaves them out.
func Validate(ctx context.Context, path string, env []string, ignoreListenPort bool) (problems []Problem, warnings []Warning) {
	c, warnings, err := Load(path, env)
	var invalid InvalidError
	switch {
	case errors.As(err, &invalid):
		return invalid, warnings
	case err != nil:
		return []Problem{{Text: err.Error()}}, warnings
	}
	r := &report{}
	settings, more, err := c.Effective(nil, ha.CommonFloors())
	warnings = append(warnings, more...)
	if errors.As(err, &invalid) {
		r.problems = append(r.problems, invalid...)
	}
	if !ignoreListenPort {
		portFree("restapi.listen", c.RESTAPI.Listen, r)
		portFree("postgresql.listen", withPort(settings.PostgreSQL.Listen, postgresPort), r)
	}
	reachable("restapi.connect_address", c.RESTAPI.ConnectAddress, r)
	if connect := settings.PostgreSQL.ConnectAddress; connect != "" {
		reachable("postgresql.connect_address", connect, r)
	} else {
		r.refuse("postgresql.connect_address", "missing")
	}
	c.filesReadable(r)
	c.certificateBelieved(r)
	c.storeAnswers(ctx, r)
	c.tagsOnce(r)
	c.checkPrograms(ctx, settings.PostgreSQL.UseRewind, r)
	return inOrder(r.problems), warnings
}

// portFree tries to listen.
func portFree(key, address string, r *report) {
	hosts, port, err := splitAddress(address)
	if err != nil {
		return // Load has said so
	}
	for _, host := range strings.Split(hosts, ",") {
		host = unbracket(host)
		if everywhere(host) {
			host = ""
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			r.refuse(key, "%s can't be listened on: %v", address, reason(err))
			return
		}
		l.Close()
	}
}

// reason is the part of a network error that says why.
func reason(err error) error {
	var syscall *os.SyscallError
	if errors.As(err, &syscall) {
		return syscall.Err
	}
	return err
}

// reachable refuses an address by which only this machine reaches itself.
func reachable(key, address string, r *report) {
	if host, _, err := splitAddress(address); err == nil && local(host) {
		r.refuse(key, "%s is not allowed: other members can't reach this one by it", address)
	}
}

func (c *Config) filesReadable(r *report) {
	api := c.RESTAPI
	named := []namedFile{
		{"restapi.certfile", api.CertFile}, {"restapi.keyfile", api.KeyFile}, {"restapi.cafile", api.CAFile},
		{"ctl.cacert", c.Ctl.CACert}, {"ctl.certfile", c.Ctl.CertFile}, {"ctl.keyfile", c.Ctl.KeyFile},
	}
	if c.Store.Section != nil {
		named = append(named, c.Store.Section.files()...)
	}
	for _, f := range named {
		if f.path == "" {
			continue
		}
		file, err := os.Open(f.path)
		if err != nil {
			r.refuse(f.key, "%v", plainPathError(f.path, err))
			continue
		}
		file.Close()
	}
}

// storeAnswers connects to each server of the store.
func (c *Config) storeAnswers(ctx context.Context, r *report) {
	if c.Store.Section == nil {
		r.refuse(c.Store.Kind, "%v", c.Store.unsupported())
		return
	}
	key, servers, err := c.Store.Section.servers(ctx)
	if err != nil {
		r.refuse(key, "%v", err)
	}
	for _, server := range servers {
		if err := connects(ctx, server); err != nil {
			r.refuse(key, "%s can't be reached: %v", server, reason(err))
		}
	}
}

// connects connects to the server of a URL.
func connects(ctx context.Context, server string) error {
	u, err := url.Parse(server)
	if err != nil {
		return err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), u.Scheme)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	return conn.Close()
}

// tagsOnce refuses what is said twice.
func (c *Config) tagsOnce(r *report) {
	for _, pair := range [][2]string{{"nofailover", "failover_priority"}, {"nosync", "sync_priority"}} {
		_, first := c.Tags[pair[0]]
		_, second := c.Tags[pair[1]]
		if first && second {
			r.refuse("tags", "%s and %s are both given: one is allowed", pair[0], pair[1])
		}
	}
}
