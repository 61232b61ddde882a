package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/servers"
)

// KubernetesOptions say what an API server is like. It always serves HTTPS, and
// allows only what RBAC does.
type KubernetesOptions struct {
	// Servers is how many API servers share the store, by default one.
	Servers int
	// Args are added to each one's command line.
	Args []string
}

// KubernetesCluster is an API server and its etcd, with no kubelet and no
// controller: nothing happens to objects but what tests do.
type KubernetesCluster struct {
	Servers []*APIServer
	// CA is the file with the certificate that all servers show.
	CA string
	// Token may do everything.
	Token string

	shared servers.Kubernetes
}

// APIServer is one kube-apiserver.
type APIServer struct {
	Addr string // host:port

	tb    testing.TB
	args  []string
	log   string
	child *child
}

// Kubernetes starts an API server (scripts/servers builds it) that ends with the
// test, and returns when it serves.
func Kubernetes(tb testing.TB, o KubernetesOptions) *KubernetesCluster {
	tb.Helper()
	program, dir := server(tb, "kube-apiserver"), tb.TempDir()
	shared := servers.Kubernetes{Dir: dir, Token: "0123456789abcdef", Store: startStore(tb, dir)}
	c := &KubernetesCluster{CA: shared.CA(), Token: shared.Token, shared: shared}
	for i := range max(o.Servers, 1) {
		s := &APIServer{tb: tb, Addr: Addr(tb), log: filepath.Join(dir, fmt.Sprintf("apiserver%d.log", i))}
		args, err := shared.Args(program, s.Addr)
		if err != nil {
			tb.Fatalf("testenv: %v", err)
		}
		s.args = append(args, o.Args...)
		c.Servers = append(c.Servers, s)
		s.Start()
		c.WaitServing(tb)
	}
	return c
}

// startStore runs the etcd of an API server, of a version that it supports if
// there is one.
func startStore(tb testing.TB, dir string) (url string) {
	tb.Helper()
	m := servers.EtcdMember{Name: "store", Dir: filepath.Join(dir, "store"), Client: "http://" + Addr(tb), Peer: "http://" + Addr(tb), Token: dir}
	var args []string
	if program, err := servers.Find("regent-store", ""); err == nil {
		args = m.RegentStoreArgs(program)
	} else if program, err := servers.FindPackaged("etcd", "etcd-server"); err == nil {
		args = m.Args(program)
	} else {
		tb.Fatalf("testenv: %v, or scripts/servers regent-store", err)
	}
	startChild(tb, filepath.Join(dir, "store.log"), args[0], args[1:]...)
	return m.Client
}

// URL is that of the first server.
func (c *KubernetesCluster) URL() string { return "https://" + c.Servers[0].Addr }

// WaitServing returns when every server that was started serves.
func (c *KubernetesCluster) WaitServing(tb testing.TB) {
	tb.Helper()
	for _, s := range c.Servers {
		Eventually(tb, 90*time.Second, "the API server to serve", func() error {
			if err := s.child.died(); err != nil {
				tb.Fatal(err)
			}
			api, err := c.shared.Open(s.Addr)
			if err != nil {
				return err // its certificate isn't made yet
			}
			return api.Serves(context.Background())
		})
	}
}

// Do makes a request with all rights, and fails the test unless it succeeds or,
// for a POST, the object is there already.
func (c *KubernetesCluster) Do(tb testing.TB, method, path string, body any) (answer []byte) {
	tb.Helper()
	c.eventually(tb, method+" "+path, func(ctx context.Context, api *servers.API) (err error) {
		answer, err = api.Do(ctx, method, path, body)
		return err
	})
	return answer
}

// eventually does something with all rights, and fails the test unless that
// succeeds.
func (c *KubernetesCluster) eventually(tb testing.TB, what string, do func(context.Context, *servers.API) error) {
	tb.Helper()
	api, err := c.shared.Open(c.Servers[0].Addr)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	Eventually(tb, 30*time.Second, what, func() error { return do(context.Background(), api) })
}

// Namespace makes a namespace.
func (c *KubernetesCluster) Namespace(tb testing.TB, name string) {
	tb.Helper()
	c.eventually(tb, "the namespace "+name, func(ctx context.Context, api *servers.API) error { return api.Namespace(ctx, name) })
}

// Pod makes a Pod that nobody will run, with an address as a kubelet would give it.
func (c *KubernetesCluster) Pod(tb testing.TB, namespace, name, ip string, labels map[string]string) {
	tb.Helper()
	c.eventually(tb, "the Pod "+name, func(ctx context.Context, api *servers.API) error {
		return api.Pod(ctx, namespace, name, ip, labels)
	})
}

// ServiceAccountToken is a token such as the kubelet puts into a Pod.
func (c *KubernetesCluster) ServiceAccountToken(tb testing.TB, namespace, account string) (token string) {
	tb.Helper()
	c.eventually(tb, "a token of "+account, func(ctx context.Context, api *servers.API) (err error) {
		token, err = api.ServiceAccountToken(ctx, namespace, account)
		return err
	})
	return token
}

// Apply makes all objects of a manifest, in a namespace of the test's choice
// instead of the one that they name.
func (c *KubernetesCluster) Apply(tb testing.TB, manifest, namespace string) {
	tb.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	c.eventually(tb, "the objects of "+manifest, func(ctx context.Context, api *servers.API) error {
		return api.Apply(ctx, text, namespace)
	})
}

// Start starts the server, again on the same address and store.
func (s *APIServer) Start() {
	s.tb.Helper()
	s.child = startChild(s.tb, s.log, s.args[0], s.args[1:]...)
}

// Kill ends the server with SIGKILL.
func (s *APIServer) Kill() { s.child.kill() }

// Freeze stops the process where it stands: it keeps its connections and answers
// nothing.
func (s *APIServer) Freeze() {
	s.tb.Helper()
	s.child.freeze(s.tb)
}

// Thaw lets it go on.
func (s *APIServer) Thaw() { s.child.thaw() }
