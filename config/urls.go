package config

import (
	"net"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/postgres"
)

// APIURL is where other members and programs reach this one's REST API: the
// api_url of its entry in the store.
func (c *Config) APIURL() string {
	scheme := "http"
	if c.RESTAPI.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + joined(c.RESTAPI.ConnectAddress) + "/patroni"
}

// ConnURL is where others reach this member's PostgreSQL: its conn_url.
func (c *Config) ConnURL(s postgres.Settings) string {
	address := s.ConnectAddress
	if address == "" {
		address = withPort(s.Listen, postgresPort)
	}
	return "postgres://" + joined(address) + "/" + database(s)
}

// ProxyURL is where clients reach this member's PostgreSQL through a pooler: its
// proxy_url. Empty: there is none.
func (c *Config) ProxyURL(s postgres.Settings) string {
	if c.ProxyAddress == "" {
		return ""
	}
	return "postgres://" + joined(c.ProxyAddress) + "/" + database(s)
}

func database(s postgres.Settings) string {
	if s.Database == "" {
		return "postgres"
	}
	return s.Database
}

// joined writes an address as a URL has it; of a list of hosts the first counts.
func joined(address string) string {
	hosts, port, err := splitAddress(address)
	if err != nil {
		return address
	}
	host, _, _ := strings.Cut(hosts, ",")
	return net.JoinHostPort(unbracket(host), strconv.Itoa(port))
}
