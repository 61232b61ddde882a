package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/kubernetes"
	"github.com/regent-ha/regent/deploy"
	"github.com/regent-ha/regent/internal/servers"
)

// Kubernetes is one API server and its etcd, which is cmd/regent-store. There is
// no kubelet: the lab makes the members' Pods, and who is in them runs as the
// service account of deploy/kubernetes/rbac.yaml. The cluster's documents are
// annotations of Endpoints.
func Kubernetes(apiServer, regentStore string) StoreKind {
	return kubernetesKind{apiServer, regentStore, true}
}

// KubernetesConfigMaps is Kubernetes with the documents at ConfigMaps.
func KubernetesConfigMaps(apiServer, regentStore string) StoreKind {
	return kubernetesKind{apiServer, regentStore, false}
}

type kubernetesKind struct {
	apiServer, regentStore string
	useEndpoints           bool
}

func (kubernetesKind) Least() dcs.Timing { return common }

func (kubernetesKind) Succession(ttl time.Duration) time.Duration { return ttl }

// namespace of the cluster.
const namespace = "databases"

// podLabels are those of the cluster's Pods and objects, beside the scope's.
func podLabels() map[string]string { return map[string]string{"application": "regent"} }

func (k kubernetesKind) build(s site) (backend, error) {
	addrs, err := s.alone(3)
	if err != nil {
		return nil, err
	}
	store := servers.EtcdMember{
		Name: "etcd", Dir: s.folder("etcd"), Client: "http://" + addrs[0], Peer: "http://" + addrs[1], Token: s.scope,
	}
	shared := servers.Kubernetes{Dir: s.dir, Store: store.Client, Token: rand.Text()}
	argv, err := shared.Args(k.apiServer, addrs[2])
	if err != nil {
		return nil, err
	}
	b := &kubernetesStore{
		site: s, shared: shared, addr: addrs[2], useEndpoints: k.useEndpoints,
		processes: []server{{"etcd", addrs[0], store.RegentStoreArgs(k.regentStore)}, {"kube-apiserver", addrs[2], argv}},
	}
	return b, errors.Join(os.WriteFile(b.token("admin"), []byte(shared.Token), 0o600), b.writeKubeconfig(b.adminConfig(), b.addr, "admin"))
}

type kubernetesStore struct {
	site         site
	shared       servers.Kubernetes
	addr         string
	useEndpoints bool
	processes    []server
}

func (b *kubernetesStore) servers() []server { return b.processes }

func (b *kubernetesStore) endpoints() []string { return []string{b.addr} }

// token is the file with the token of a user.
func (b *kubernetesStore) token(user string) string { return b.site.folder(user + ".token") }

func (b *kubernetesStore) adminConfig() string { return b.site.folder("kubeconfig") }

// writeKubeconfig writes how a user reaches the API server. The certificate and
// the token that it names needn't be there yet.
func (b *kubernetesStore) writeKubeconfig(path, addr, user string) error {
	named := func(kind string, v map[string]any) []any { return []any{map[string]any{"name": "lab", kind: v}} }
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "lab",
		"clusters": named("cluster", map[string]any{"server": "https://" + addr, "certificate-authority": b.shared.CA()}),
		"users":    named("user", map[string]any{"tokenFile": b.token(user)}),
		"contexts": named("context", map[string]any{"cluster": "lab", "user": "lab", "namespace": namespace}),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func (b *kubernetesStore) ready(ctx context.Context) error {
	api, err := b.shared.Open(b.addr)
	if err != nil {
		return err // its certificate isn't made yet
	}
	return api.Serves(ctx)
}

// prepare makes the namespace, the rights and the members' Pods.
func (b *kubernetesStore) prepare(ctx context.Context, members []string) error {
	api, err := b.shared.Open(b.addr)
	if err == nil {
		err = api.Namespace(ctx, namespace)
	}
	if err == nil {
		err = api.Apply(ctx, deploy.RBAC, namespace)
	}
	if err != nil {
		return err
	}
	labels := podLabels()
	labels[kubernetes.DefaultScopeLabel] = b.site.scope
	for i, name := range members {
		// Addresses for documentation (RFC 5737): Endpoints refuse those of the loopback interface.
		if err := api.Pod(ctx, namespace, name, fmt.Sprintf("192.0.2.%d", i+1), labels); err != nil {
			return err
		}
	}
	token, err := api.ServiceAccountToken(ctx, namespace, "regent")
	if err != nil {
		return err
	}
	return os.WriteFile(b.token("regent"), []byte(token), 0o600)
}

func (b *kubernetesStore) open(path dcs.Path, ttl time.Duration) (dcs.DCS, error) {
	server, err := kubernetes.FromKubeconfig(b.adminConfig(), "")
	if err != nil {
		return nil, err
	}
	return kubernetes.Open(kubernetes.Options{Server: server, Namespace: namespace, Path: path, TTL: ttl, Labels: podLabels(), UseEndpoints: b.useEndpoints})
}

func (b *kubernetesStore) member(_, dir, link string) (membership, error) {
	config := filepath.Join(dir, "kubeconfig")
	return membership{
		section: map[string]any{"kubernetes": map[string]any{"namespace": namespace, "labels": podLabels(), "use_endpoints": b.useEndpoints}},
		env:     []string{"KUBECONFIG=" + config},
	}, b.writeKubeconfig(config, link, "regent")
}

func (b *kubernetesStore) close() {}
