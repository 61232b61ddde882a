package kubernetes

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Defaults of Options.
const (
	DefaultTTL        = 30 * time.Second
	DefaultNamespace  = "default"
	DefaultScopeLabel = "cluster-name"
	DefaultRoleLabel  = "role"
	DefaultPort       = 5432
)

// Options of a handle. Server, Path.Scope and Labels are required.
type Options struct {
	// Server says how to reach the API server and who we are there: InCluster,
	// FromKubeconfig, or a program's own.
	Server *rest.Config
	// Namespace of all objects.
	Namespace string
	// Path of the cluster. Its Namespace plays no part here.
	Path dcs.Path
	// Name is the member's, which must be its Pod's; empty: the handle only observes.
	Name string
	// TTL of the grants, in whole seconds: it is rounded up.
	TTL time.Duration

	// Labels that all objects and Pods of the cluster have, beside ScopeLabel.
	Labels     map[string]string
	ScopeLabel string
	// Roles are the labels of the member's own Pod.
	Roles Roles

	// UseEndpoints keeps documents in Endpoints, and the leader's address in the
	// subsets of one; else ConfigMaps are used.
	UseEndpoints bool
	// PodIP is the member's address in the subsets; empty: what the Pod's status says.
	PodIP string
	// Ports of it; none: DefaultPort without a name.
	Ports []Port

	// Direct sends requests to the API servers themselves, past their Service.
	Direct bool
	// Retriable are HTTP codes that mean "later", beside 429, 500, 503 and 504.
	Retriable []int
	// Observed is a file for what was seen of the leader record. Without it a
	// restarted member counts anew.
	Observed string

	// Clock is what leases are counted on: by default the machine's.
	Clock clock.Clock
	// Logger hears of watches that broke and came back; by default nobody does.
	Logger *slog.Logger
	// AttemptTimeout is after which a request is sent again: by default a tenth of
	// TTL, at least a second.
	AttemptTimeout time.Duration
}

// Roles are the labels by which Services find members.
type Roles struct {
	Label         string // default DefaultRoleLabel
	Leader        string // value for the leader; default "primary"
	StandbyLeader string // for the leader of a standby cluster; default "primary"
	Follower      string // for a replica; default "replica"
	// Raw is one more label that has the role as it is; empty: none.
	Raw string
	// Bootstrap are labels that the Pod has while its member is being made.
	Bootstrap map[string]string
}

// Port is one of the leader's in the subsets of its Endpoints.
type Port struct {
	Name     string `json:"name,omitempty"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol,omitempty"`
}

// objectName is what Kubernetes takes as the name of most objects (RFC 1123).
var objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// ValidName says whether objects can have that name, or be named after that scope.
func ValidName(name string) bool { return objectName.MatchString(name) && len(name) <= longestName }

// longestName leaves room for what is added to a scope.
const longestName = 253 - len("-failover")

func (o Options) withDefaults() (Options, error) {
	if o.Server == nil || o.Server.Host == "" {
		return o, errors.New("dcs/kubernetes: Options.Server is missing: it must say where the API server is")
	}
	if scope := o.Path.Scope; !ValidName(scope) {
		return o, fmt.Errorf("dcs/kubernetes: Options.Path.Scope is %q: objects are named after it, so it must be lower-case letters, digits, hyphens and dots, at most %d", scope, longestName)
	}
	if o.Name != "" && !ValidName(o.Name) {
		return o, fmt.Errorf("dcs/kubernetes: Options.Name is %q: it must be the name of the member's Pod (lower-case letters, digits, hyphens and dots)", o.Name)
	}
	if len(o.Labels) == 0 {
		return o, errors.New("dcs/kubernetes: Options.Labels is empty: it must have at least one label that the cluster's Pods have")
	}
	if o.TTL < 0 {
		return o, fmt.Errorf("dcs/kubernetes: Options.TTL is %v: it must be positive", o.TTL)
	}
	for _, code := range o.Retriable {
		if code < 400 || code > 599 {
			return o, fmt.Errorf("dcs/kubernetes: Options.Retriable has %d: codes from 400 to 599 are allowed", code)
		}
		if slices.Contains([]int{http.StatusNotFound, http.StatusConflict}, code) {
			return o, fmt.Errorf("dcs/kubernetes: Options.Retriable has %d, which is an answer and never means later", code)
		}
	}
	for _, p := range o.Ports {
		if p.Port <= 0 || p.Port > 65535 {
			return o, fmt.Errorf("dcs/kubernetes: Options.Ports has port %d: 1 to 65535 are allowed", p.Port)
		}
	}
	o.fill()
	return o, nil
}

func (o *Options) fill() {
	orDefault := func(s *string, fallback string) {
		if *s == "" {
			*s = fallback
		}
	}
	orDefault(&o.Namespace, DefaultNamespace)
	orDefault(&o.ScopeLabel, DefaultScopeLabel)
	orDefault(&o.Roles.Label, DefaultRoleLabel)
	orDefault(&o.Roles.Leader, "primary")
	orDefault(&o.Roles.StandbyLeader, "primary")
	orDefault(&o.Roles.Follower, "replica")
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if len(o.Ports) == 0 {
		o.Ports = []Port{{Port: DefaultPort}}
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = max(o.TTL/10, time.Second)
	}
}

// labels of every object that is ours.
func (o Options) labels() map[string]string {
	labels := maps.Clone(o.Labels)
	labels[o.ScopeLabel] = o.Path.Scope
	if o.Path.Group != nil {
		labels[groupLabel] = fmt.Sprint(*o.Path.Group)
	}
	return labels
}

const groupLabel = "citus-group"

// selector of them, as a query has it.
func selector(labels map[string]string) string {
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		terms = append(terms, name+"="+labels[name])
	}
	return strings.Join(terms, ",")
}
