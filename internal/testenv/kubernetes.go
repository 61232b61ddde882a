package testenv

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

	tb     testing.TB
	client *http.Client
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
	c := &KubernetesCluster{tb: tb, CA: filepath.Join(dir, "certs", "apiserver.crt"), Token: "0123456789abcdef"}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatalf("testenv: %v", err)
		}
		return path
	}
	tokens := write("tokens.csv", c.Token+",admin,1,system:masters\n")
	key := write("sa.key", signingKey(tb))
	store := startStore(tb, dir)
	for i := range max(o.Servers, 1) {
		s := &APIServer{tb: tb, Addr: Addr(tb), log: filepath.Join(dir, fmt.Sprintf("apiserver%d.log", i))}
		_, port, _ := strings.Cut(s.Addr, ":")
		s.args = append([]string{
			program, "--etcd-servers=" + store, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + port,
			"--cert-dir=" + filepath.Join(dir, "certs"), "--service-cluster-ip-range=10.96.0.0/24",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
			"--token-auth-file=" + tokens, "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
			"--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false", "--shutdown-delay-duration=0s",
		}, o.Args...)
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
	client, peer, data := "http://"+Addr(tb), "http://"+Addr(tb), filepath.Join(dir, "store")
	if servers, err := serversDir(); err == nil {
		program := filepath.Join(servers, "regent-store")
		if _, err := os.Stat(program); err == nil {
			startChild(tb, filepath.Join(dir, "store.log"), program, "run", "--new", "--data-dir", data, "--listen-client", client, "--listen-peer", peer)
			return client
		}
	}
	program, err := exec.LookPath("etcd")
	if err != nil {
		tb.Fatal("no etcd found: run scripts/servers regent-store, or apt-get install etcd-server")
	}
	startChild(tb, filepath.Join(dir, "store.log"), program, "--name", "store", "--data-dir", data, "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "store="+peer)
	return client
}

// signingKey is a new key for the tokens of service accounts, in PEM.
func signingKey(tb testing.TB) string {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
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
			if c.client == nil {
				pool, err := poolOf(c.CA)
				if err != nil {
					return err
				}
				c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
			}
			_, err := c.ask(s, http.MethodGet, "/readyz", nil)
			return err
		})
	}
}

func poolOf(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// Do makes a request with all rights, and fails the test unless it succeeds or,
// for a POST, the object is there already.
func (c *KubernetesCluster) Do(tb testing.TB, method, path string, body any) []byte {
	tb.Helper()
	var last []byte
	Eventually(tb, 30*time.Second, method+" "+path, func() (err error) {
		last, err = c.ask(c.Servers[0], method, path, body)
		return err
	})
	return last
}

func (c *KubernetesCluster) ask(s *APIServer, method, path string, body any) ([]byte, error) {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, "https://"+s.Addr+path, &text)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+c.Token)
	q.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		q.Header.Set("Content-Type", "application/merge-patch+json")
	}
	r, err := c.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode == http.StatusConflict && method == http.MethodPost:
		return answer, nil
	case r.StatusCode >= 300:
		return nil, fmt.Errorf("%s: %s", r.Status, answer)
	}
	return answer, nil
}

// Namespace makes a namespace.
func (c *KubernetesCluster) Namespace(tb testing.TB, name string) {
	tb.Helper()
	c.Do(tb, http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name}})
}

// Pod makes a Pod that nobody will run, with an address as a kubelet would give it.
func (c *KubernetesCluster) Pod(tb testing.TB, namespace, name, ip string, labels map[string]string) {
	tb.Helper()
	path := "/api/v1/namespaces/" + namespace + "/pods"
	c.Do(tb, http.MethodPost, path, map[string]any{
		"metadata": map[string]any{"name": name, "labels": labels},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "postgresql", "image": "none"}}},
	})
	c.Do(tb, http.MethodPatch, path+"/"+name+"/status", map[string]any{"status": map[string]any{
		"phase": "Running", "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}},
	}})
}

// ServiceAccountToken is a token such as the kubelet puts into a Pod.
func (c *KubernetesCluster) ServiceAccountToken(tb testing.TB, namespace, account string) string {
	tb.Helper()
	text := c.Do(tb, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{},
	})
	var answer struct{ Status struct{ Token string } }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status.Token == "" {
		tb.Fatalf("testenv: token of %s: %v", account, err)
	}
	return answer.Status.Token
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
