package consul

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/dcs"
)

// Service is how a member is registered with its agent, for those who look for the
// primary or a replica in Consul's DNS. It is registered by Touch, as Patroni does
// it; that it failed is logged, and fails nothing else.
type Service struct {
	// Tags beside the role's.
	Tags []string
	// CheckInterval is how often the agent asks the member's REST API for the role:
	// by default 5 s.
	CheckInterval time.Duration
	// CheckTLSServerName is whose certificate the REST API shows, if not the host's.
	CheckTLSServerName string
}

// registration is what was registered, kept by Touch.
type registration struct {
	last   *api.AgentServiceRegistration // nil: nothing, as far as we know
	failed bool
}

const (
	defaultCheckInterval = 5 * time.Second
	// registerTimeout bounds what a registration may cost a cycle.
	registerTimeout = time.Second
)

// register brings the agent's registration up to date.
func (d *DCS) register(ctx context.Context, m dcs.Member) {
	if d.options.Service == nil {
		return
	}
	var do request
	var next *api.AgentServiceRegistration
	switch {
	case m.State == "stopped":
		if d.service.last == nil && !d.service.failed {
			return
		}
		do = func(ctx context.Context) error {
			q := new(api.QueryOptions).WithContext(ctx)
			return d.client.Agent().ServiceDeregisterOpts(d.serviceID(), q)
		}
	case m.State == "running" && slices.Contains(servedRoles, m.Role):
		var err error
		if next, err = d.serviceOf(m); err != nil {
			d.registered(d.service.last, err)
			return
		}
		if !d.service.failed && reflect.DeepEqual(next, d.service.last) {
			return
		}
		do = func(ctx context.Context) error {
			return d.client.Agent().ServiceRegisterOpts(next, api.ServiceRegisterOpts{}.WithContext(ctx))
		}
	default: // on its way to one of these
		return
	}
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	d.registered(next, d.once(ctx, do))
}

// registered remembers what became of it. A failure is logged once.
func (d *DCS) registered(next *api.AgentServiceRegistration, err error) {
	if err != nil {
		if !d.service.failed {
			d.log.Warn("the service wasn't registered", "service", d.serviceID(), "error", err)
		}
		d.service.failed = true
		return
	}
	d.service = registration{last: next}
}

// servedRoles are those that somebody looks for.
var servedRoles = []string{"primary", "replica", "standby_leader"}

func (d *DCS) serviceID() string { return d.options.Path.Scope + "/" + d.name }

// serviceOf is the registration of a running member.
func (d *DCS) serviceOf(m dcs.Member) (*api.AgentServiceRegistration, error) {
	conn, err := url.Parse(m.ConnURL)
	if err != nil || conn.Hostname() == "" {
		return nil, fmt.Errorf("conn_url is %q: a URL with a host is needed", m.ConnURL)
	}
	port, err := strconv.Atoi(conn.Port())
	if err != nil {
		return nil, fmt.Errorf("conn_url is %q: its port is needed", m.ConnURL)
	}
	check, err := url.Parse(m.APIURL)
	if err != nil || check.Host == "" {
		return nil, fmt.Errorf("api_url is %q: a URL with a host is needed", m.APIURL)
	}
	o, role := d.options.Service, m.Role
	interval := o.CheckInterval
	if interval <= 0 {
		interval = defaultCheckInterval
	}
	tags := append(slices.Sorted(slices.Values(o.Tags)), strings.ReplaceAll(role, "_", "-"))
	if role == "primary" {
		tags = append(tags, "master") // what was there before Patroni 4, and is still asked for
	}
	return &api.AgentServiceRegistration{
		ID: d.serviceID(), Name: serviceName(d.options.Path.Scope), Address: conn.Hostname(), Port: port, Tags: tags,
		EnableTagOverride: true,
		Check: &api.AgentServiceCheck{
			HTTP:                           check.Scheme + "://" + check.Host + "/" + role,
			Interval:                       interval.String(),
			DeregisterCriticalServiceAfter: (10 * d.wantedTTL()).String(),
			TLSServerName:                  o.CheckTLSServerName,
		},
	}, nil
}

// serviceName is the cluster's name as DNS can have it, the way Patroni spells it.
func serviceName(scope string) string {
	const longest = 230
	var b strings.Builder
	for _, r := range strings.ToLower(scope) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		case r == '.', r == ' ', r == '_':
			b.WriteByte('-')
		default:
			fmt.Fprintf(&b, "u%04d", r)
		}
	}
	return b.String()[:min(longest, b.Len())]
}
