package config

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/kubernetes"
	"github.com/regent-ha/regent/internal/value"
)

// Kubernetes says in which objects of which API server the cluster is kept.
type Kubernetes struct {
	Namespace    string
	Labels       map[string]string
	ScopeLabel   string
	Roles        kubernetes.Roles
	UseEndpoints bool
	PodIP        string
	Ports        []kubernetes.Port
	Direct       bool   // past the API server's Service
	CACert       string // file, PEM; empty: the service account's or the kubeconfig's
	Context      string // of the kubeconfig; empty: its current one
	Retriable    []int  // HTTP codes
}

func parseKubernetes(s *section) Kubernetes {
	k := Kubernetes{
		Namespace:  s.text("namespace", kubernetes.DefaultNamespace),
		Labels:     s.table("labels"),
		ScopeLabel: s.text("scope_label", kubernetes.DefaultScopeLabel),
		Roles: kubernetes.Roles{
			Label:         s.text("role_label", kubernetes.DefaultRoleLabel),
			Leader:        s.text("leader_label_value", "primary"),
			StandbyLeader: s.text("standby_leader_label_value", "primary"),
			Follower:      s.text("follower_label_value", "replica"),
			Raw:           s.text("tmp_role_label", ""),
			Bootstrap:     s.table("bootstrap_labels"),
		},
		UseEndpoints: s.flag("use_endpoints", false),
		PodIP:        s.text("pod_ip", ""),
		Direct:       s.flag("bypass_api_service", false),
		CACert:       s.text("cacert", ""),
		Context:      s.text("context", ""),
		Retriable:    retriable(s),
		Ports:        ports(s),
	}
	if len(k.Labels) == 0 && !s.broken && !s.failed() {
		s.bad("labels", "missing: at least one label that the Pods of the cluster have, and those of no other")
	}
	if !kubernetes.ValidName(k.Namespace) {
		s.bad("namespace", "%q is not allowed: lower-case letters, digits and hyphens are", k.Namespace)
	}
	if k.PodIP != "" && net.ParseIP(k.PodIP) == nil {
		s.bad("pod_ip", "%q is not allowed: an IP address is", k.PodIP)
	}
	if !k.UseEndpoints && (s.has("pod_ip") || s.has("ports")) {
		s.warn(s.key("use_endpoints"), "without it pod_ip and ports have no effect")
	}
	s.rest()
	return k
}

// retriable are one HTTP code or several.
func retriable(s *section) (codes []int) {
	v, ok := s.take("retriable_http_codes")
	if !ok {
		return nil
	}
	items, isList := v.([]any)
	if !isList {
		items = []any{v}
	}
	for _, item := range items {
		n, err := value.Int(item)
		if err != nil || n < 400 || n > 599 || n == 404 || n == 409 {
			s.bad("retriable_http_codes", "%s is not allowed: codes from 400 to 599 are, except 404 and 409", value.Show(item))
			continue
		}
		codes = append(codes, int(n))
	}
	return codes
}

func ports(s *section) (all []kubernetes.Port) {
	v, ok := s.take("ports")
	if !ok {
		return nil
	}
	items, isList := v.([]any)
	if !isList {
		s.bad("ports", "%s is not allowed: a list of name, port and protocol is", value.Show(v))
		return nil
	}
	for i, item := range items {
		sub := newSection(s.key(fmt.Sprintf("ports[%d]", i)), item, s.report)
		port := sub.quantity("port", kubernetes.DefaultPort, 1, 65535, value.Int)
		all = append(all, kubernetes.Port{
			Name: sub.text("name", ""), Port: int(port), Protocol: sub.oneOf("protocol", "TCP", "TCP", "UDP", "SCTP"),
		})
		sub.missing("port", "")
		sub.rest()
	}
	return all
}

// checkKubernetesNames refuses what can't be the name of an object.
func checkKubernetesNames(s *section) {
	for _, key := range []string{"scope", "name"} {
		if name, ok := s.values[key].(string); ok && name != "" && !kubernetes.ValidName(name) {
			s.bad(key, "%q is not allowed with kubernetes, where objects are named after it: lower-case letters, digits, hyphens and dots are", name)
		}
	}
}

// server is the API server: that of our Pod, else of a kubeconfig.
func (k Kubernetes) server() (*rest.Config, error) {
	load := kubernetes.InCluster
	if !kubernetes.InsidePod() {
		load = func() (*rest.Config, error) { return kubernetes.FromKubeconfig("", k.Context) }
	}
	c, err := load()
	if err == nil && k.CACert != "" {
		c.CAFile, c.CAData = k.CACert, nil
	}
	return c, err
}

func (k Kubernetes) open(_ context.Context, h handle) (dcs.DCS, error) {
	server, err := k.server()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return kubernetes.Open(kubernetes.Options{
		Server: server, Namespace: k.Namespace, Path: dcs.Path{Scope: h.path.Scope}, Name: h.name, TTL: h.ttl,
		Labels: maps.Clone(k.Labels), ScopeLabel: k.ScopeLabel, Roles: k.Roles,
		UseEndpoints: k.UseEndpoints, PodIP: k.PodIP, Ports: slices.Clone(k.Ports),
		Direct: k.Direct, Retriable: k.Retriable, Observed: filepath.Join(h.runDir, "observed.json"),
		Clock: h.clock, Logger: h.logger,
	})
}

func (k Kubernetes) setting(err error) string {
	if kubernetes.IsRefused(err) {
		return "kubernetes: the rights of this Pod's service account, or of the kubeconfig's user"
	}
	server, serverErr := k.server()
	if serverErr != nil {
		return "kubernetes"
	}
	return "kubernetes: " + server.Host
}

func (k Kubernetes) servers(context.Context) (string, []string, error) {
	server, err := k.server()
	if err != nil {
		return "kubernetes", nil, err
	}
	return "kubernetes", []string{server.Host}, nil
}

func (k Kubernetes) files() []namedFile { return []namedFile{{"kubernetes.cacert", k.CACert}} }
