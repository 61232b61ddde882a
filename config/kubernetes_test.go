package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/kubernetes"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestKubernetesSection(t *testing.T) {
	_, _, err := loadText(t, `
scope: shop
etcd3: null
kubernetes:
  labels: {application: regent, tier: 1}
  use_endpoints: on
  pod_ip: 10.0.0.7
  ports: [{name: postgresql, port: 5433}, {port: 8008, protocol: tcp}]
  retriable_http_codes: [404, 429, 521]
`)
	if err == nil || !strings.Contains(err.Error(), "kubernetes.retriable_http_codes: 404 is not allowed") {
		t.Errorf("the error is: %v", err)
	}
	c, warnings, err := loadText(t, `
scope: shop
etcd3: null
kubernetes:
  labels: {application: regent, tier: 1}
  role_label: pg-role
  leader_label_value: master
  use_endpoints: on
  pod_ip: 10.0.0.7
  ports: [{name: postgresql, port: 5433}, {port: 8008, protocol: tcp}]
  retriable_http_codes: 521
  leader_label_valeu: x
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].String() != "kubernetes.leader_label_valeu: unknown, ignored; did you mean leader_label_value?" {
		t.Errorf("warnings: %v", warnings)
	}
	want := Kubernetes{
		Namespace: "default", Labels: map[string]string{"application": "regent", "tier": "1"}, ScopeLabel: "cluster-name",
		Roles:        kubernetes.Roles{Label: "pg-role", Leader: "master", StandbyLeader: "primary", Follower: "replica"},
		UseEndpoints: true, PodIP: "10.0.0.7", Retriable: []int{521},
		Ports: []kubernetes.Port{{Name: "postgresql", Port: 5433, Protocol: "TCP"}, {Port: 8008, Protocol: "TCP"}},
	}
	if diff := cmp.Diff(want, c.Store.Section); diff != "" {
		t.Error(diff)
	}
}

func TestKubernetesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"kubernetes: {}": "kubernetes.labels: missing",
		"kubernetes: {labels: {a: b}, namespace: 'A b'}":                `kubernetes.namespace: "A b" is not allowed`,
		"kubernetes: {labels: {a: b}, pod_ip: here}":                    `kubernetes.pod_ip: "here" is not allowed: an IP address is`,
		"kubernetes: {labels: {a: b}, ports: [{port: 0}]}":              "kubernetes.ports[0].port: 0 is not allowed: at least 1 is",
		"kubernetes: {labels: {a: b}, use_endpoints: maybe}":            "kubernetes.use_endpoints: ",
		"kubernetes: {labels: {a: b}}\nscope: Shop":                     `scope: "Shop" is not allowed with kubernetes`,
		"kubernetes: {labels: {a: b}}\nname: node_1":                    `name: "node_1" is not allowed with kubernetes`,
		"kubernetes: {labels: {a: b}}\netcd3: {host: null, url: 'a:1'}": "several stores are configured",
	} {
		if !strings.Contains(text, "etcd3") {
			text += "\netcd3: null"
		}
		_, _, err := loadText(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestOpenKubernetes(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	k.Pod(t, "default", "one", "10.0.0.1", map[string]string{"application": "regent", "cluster-name": "shop"})
	kubeconfig := func(token string) {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
`, k.URL(), k.CA, token)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KUBECONFIG", file)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := loadText(t, "scope: shop\netcd3: null\nkubernetes: {labels: {application: regent}, context: here}\nrun_dir: "+t.TempDir()+"\nbootstrap: {dcs: {ttl: 33}}\n")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig(k.Token)
	store, err := OpenDCS(ctx, c, c.Name, clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if l, err := store.AttemptToAcquireLeader(ctx); err != nil || l.For != 33*time.Second {
		t.Errorf("lease %+v, %v; bootstrap.dcs.ttl is 33", l, err)
	}
	if err := store.Touch(ctx, dcs.Member{State: "running"}); err != nil {
		t.Error(err)
	}
	kubeconfig("wrong")
	refused, err := OpenDCS(ctx, c, "", clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	_, err = refused.Read(ctx)
	if got := c.StoreSetting(err); err == nil || !strings.Contains(got, "the kubeconfig's user") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: %s", err, got)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the error tells the token: %v", err)
	}
	t.Setenv("KUBECONFIG", "/nowhere")
	if _, err := OpenDCS(ctx, c, "", clock.System(), nil); err == nil || !strings.HasPrefix(err.Error(), "config: kubernetes: ") {
		t.Error(err)
	}
}
