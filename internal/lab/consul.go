package lab

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/servers"
)

// Consul is one server of Consul, which is every member's agent as well.
func Consul(program string) StoreKind { return consulKind{program} }

type consulKind struct{ program string }

func (consulKind) Least() dcs.Timing { return common }

// Succession: a session ends after its TTL twice, which is half of ttl, and the
// key is locked for one more.
func (consulKind) Succession(ttl time.Duration) time.Duration { return ttl + ttl/2 }

func (k consulKind) build(s site) (backend, error) {
	addrs, err := s.alone(3)
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i, addr := range addrs {
		if ports[i], err = strconv.Atoi(port(addr)); err != nil {
			return nil, err
		}
	}
	agent := servers.ConsulAgent{Name: "consul", Dir: s.dir, HTTP: ports[0], Serf: ports[1], Server: ports[2]}
	argv, err := agent.Args(k.program)
	if err != nil {
		return nil, err
	}
	b := &consulStore{addr: addrs[0], argv: argv}
	b.client, err = api.NewClient(&api.Config{
		Address: b.addr, Scheme: "http", HttpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	return b, err
}

type consulStore struct {
	unprepared
	addr   string
	argv   []string
	client *api.Client
}

func (b *consulStore) servers() []server { return []server{{"consul", b.addr, b.argv}} }

func (b *consulStore) endpoints() []string { return []string{b.addr} }

func (b *consulStore) ready(ctx context.Context) error {
	return servers.ConsulServes(ctx, b.client, "consul")
}

func (b *consulStore) open(path dcs.Path, ttl time.Duration) (dcs.DCS, error) {
	return consul.Open(consul.Options{Address: "http://" + b.addr, Path: path, TTL: ttl})
}

func (b *consulStore) member(_, _, link string) (membership, error) {
	return membership{section: map[string]any{"consul": map[string]any{"host": link}}}, nil
}

func (b *consulStore) close() {}
