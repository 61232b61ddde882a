package config

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
)

// Consul says how to reach Consul's agent and what to ask of it.
type Consul struct {
	URL         string // of the agent
	NamedBy     string // the key that names it: host or url
	Token       Secret
	Verify      bool   // the agent's certificate
	CACert      string // files, PEM
	Cert, Key   string
	Datacenter  string
	Consistency string // of watching; all else is linearizable
	Checks      []string
	LockDelay   time.Duration   // 0: as long as a lease
	Service     *consul.Service // nil: the member isn't registered as one
}

// consulPort is where Consul's agent serves HTTP.
const consulPort = "8500"

// shortConsulLease is half of the least ttl: the lock delay that is too short for
// any ttl.
const shortConsulLease = 10 * time.Second

func parseConsul(s *section) Consul {
	c := Consul{
		Token:       s.secret("token"),
		Verify:      s.flag("verify", true),
		CACert:      s.text("cacert", ""),
		Cert:        s.text("cert", ""),
		Key:         s.text("key", ""),
		Datacenter:  s.text("dc", ""),
		Consistency: s.oneOf("consistency", string(consul.Default), string(consul.Default), string(consul.Consistent), string(consul.Stale)),
		Checks:      s.list("checks"),
		LockDelay:   s.seconds("lock_delay", 0, time.Millisecond),
	}
	c.readAgent(s)
	c.readService(s)
	if c.Key != "" && c.Cert == "" {
		s.bad("cert", "missing: key needs it")
	}
	if !c.isTLS() && (c.CACert != "" || c.Cert != "") {
		s.warn(s.key("scheme"), "http doesn't use cacert and cert: https does")
	}
	if !c.Verify && c.isTLS() {
		s.warn(s.key("verify"), "off: whoever answers at %s is taken for Consul", c.URL)
	}
	switch {
	case c.LockDelay > time.Minute:
		s.bad("lock_delay", "%v is not allowed: at most 1m is, as Consul delays no longer", c.LockDelay)
	case c.LockDelay > 0 && c.LockDelay < shortConsulLease:
		s.warn(s.key("lock_delay"), "%v: if Consul ends a session early (its agent leaves, a check fails), another member may lead"+
			" while the one before still does; without this key it can't", c.LockDelay)
	}
	s.rest()
	return c
}

func (c Consul) isTLS() bool { return isTLS(c.URL) }

// readAgent reads where the agent is: url, or host, port and scheme.
func (c *Consul) readAgent(s *section) {
	scheme := s.oneOf("scheme", "http", "http", "https")
	host, port := s.text("host", consul.DefaultAddress), strconv.FormatInt(s.number("port", 0, 1), 10)
	if s.has("port") {
		if host == consul.DefaultAddress {
			host = "127.0.0.1"
		}
	} else {
		port = consulPort
	}
	c.NamedBy = "host"
	if s.has("url") {
		c.NamedBy = "url"
		text := s.text("url", "")
		u, err := url.Parse(text)
		switch {
		case s.has("host"):
			s.refuse(s.path, "names its agent more than once (host, url): one is allowed")
			return
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "":
			s.bad("url", "%q is not allowed: http://host:port or https://host:port is", hidePassword(text))
			return
		}
		scheme, host = u.Scheme, u.Host
	}
	host = withPort(host, port)
	if _, _, err := splitAddress(host); err != nil {
		s.bad(c.NamedBy, "%q is not allowed: %v", host, err)
		return
	}
	c.URL = scheme + "://" + host
}

func (c *Consul) readService(s *section) {
	registered := s.flag("register_service", false)
	service := consul.Service{
		Tags:               s.list("service_tags"),
		CheckInterval:      s.seconds("service_check_interval", 5*time.Second, time.Second),
		CheckTLSServerName: s.text("service_check_tls_server_name", ""),
	}
	if registered {
		c.Service = &service
	}
}

func (c Consul) open(_ context.Context, h handle) (dcs.DCS, error) {
	o := consul.Options{
		Address: c.URL, Token: c.Token.Reveal(), Datacenter: c.Datacenter, Watching: consul.Consistency(c.Consistency),
		Checks: c.Checks, LockDelay: c.LockDelay, Service: c.Service,
		Path: h.path, Name: h.name, TTL: h.ttl, Clock: h.clock, Logger: h.logger,
	}
	if c.isTLS() {
		var err error
		if o.TLS, err = clientTLS(c.CACert, c.Cert, c.Key); err != nil {
			return nil, fmt.Errorf("consul.%w", err)
		}
		o.TLS.InsecureSkipVerify = !c.Verify
	}
	return consul.Open(o)
}

func (c Consul) serversKey() string { return "consul." + c.NamedBy }

func (c Consul) servers(context.Context) (string, []string, error) {
	return c.serversKey(), []string{c.URL}, nil
}

func (c Consul) setting(err error) string {
	if consul.IsLoginRefused(err) {
		return "consul.token"
	}
	return c.serversKey() + ": " + c.URL
}

func (c Consul) files() []namedFile {
	return []namedFile{{"consul.cacert", c.CACert}, {"consul.cert", c.Cert}, {"consul.key", c.Key}}
}
