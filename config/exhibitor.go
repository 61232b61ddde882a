package config

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/value"
)

// Exhibitor says how to reach a ZooKeeper whose servers Exhibitor names.
type Exhibitor struct {
	Hosts        []string // host:port of Exhibitors
	PollInterval time.Duration
	ZooKeeperAccess
}

// exhibitorPort is where Exhibitor serves HTTP by itself.
const exhibitorPort = "8181"

func parseExhibitor(s *section) Exhibitor {
	var e Exhibitor
	e.PollInterval = s.seconds("poll_interval", 5*time.Minute, time.Second)
	port := exhibitorPort
	if s.has("port") {
		port = strconv.FormatInt(s.quantity("port", 1, 1, 65535, value.Int), 10)
	} else {
		s.take("port")
	}
	s.missing("hosts", "it names the machines that Exhibitor runs on, whom to ask for ZooKeeper's servers")
	for _, host := range s.commaList("hosts") {
		host = withPort(host, port)
		if _, _, err := splitAddress(host); err != nil {
			s.bad("hosts", "%q is not allowed: %v", hidePassword(host), err)
			continue
		}
		e.Hosts = append(e.Hosts, host)
	}
	if len(e.Hosts) == 0 && !s.failed() {
		s.bad("hosts", "names no machine")
	}
	e.ZooKeeperAccess = parseZooKeeperAccess(s)
	s.rest()
	return e
}

func (e Exhibitor) asked() *zookeeper.Exhibitor {
	return &zookeeper.Exhibitor{Addrs: e.Hosts, Interval: e.PollInterval}
}

func (e Exhibitor) open(ctx context.Context, h handle) (dcs.DCS, error) {
	asked := e.asked()
	servers, err := asked.Servers(ctx)
	if err != nil {
		return nil, fmt.Errorf("exhibitor.hosts: %w", err)
	}
	return e.openAt("exhibitor", zookeeper.Options{Servers: servers, Exhibitor: asked}, h)
}

func (e Exhibitor) servers(ctx context.Context) (string, []string, error) {
	servers, err := e.asked().Servers(ctx)
	return "exhibitor.hosts", zookeeperURLs(servers), err
}

func (e Exhibitor) setting(err error) string { return zookeeperSetting("exhibitor", e.Hosts, err) }

func (e Exhibitor) files() []namedFile { return e.filesOf("exhibitor") }
