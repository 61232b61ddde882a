package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// oneLine wants an error with these words, that says no secret and fits a line.
func oneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("the error has no %q: %s", word, text)
		}
	}
	if strings.ContainsAny(text, "\n") || strings.Contains(text, "s3cret") {
		t.Errorf("the error is %q", text)
	}
	for _, definite := range []error{dcs.ErrHeld, dcs.ErrLost, dcs.ErrConflict} {
		if errors.Is(err, definite) {
			t.Errorf("the error is definite: %v", err)
		}
	}
}

func TestBadServers(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	answer := func(text string, code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, text)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	ca := rest.TLSClientConfig{CAFile: k.CA}
	for name, test := range map[string]struct {
		server rest.Config
		words  []string
	}{
		"nobody there":        {rest.Config{Host: "https://" + testenv.Addr(t)}, []string{"connection refused", "deadline exceeded"}},
		"HTTP for HTTPS":      {rest.Config{Host: "https" + strings.TrimPrefix(answer("{}", 200), "http")}, []string{"HTTP response to HTTPS client"}},
		"an unknown CA":       {rest.Config{Host: k.URL(), BearerToken: "s3cret"}, []string{"x509"}},
		"a wrong token":       {rest.Config{Host: k.URL(), BearerToken: "s3cret", TLSClientConfig: ca}, []string{"401 Unauthorized"}},
		"no JSON":             {rest.Config{Host: answer("<html>", 200)}, []string{"isn't one of a Kubernetes API server"}},
		"truncated JSON":      {rest.Config{Host: answer(`{"metadata":{"resourceVersion":"1"`, 200)}, []string{"isn't one of a Kubernetes API server"}},
		"an empty object":     {rest.Config{Host: answer("{}", 200)}, []string{"isn't one of a Kubernetes API server"}},
		"another's not found": {rest.Config{Host: answer("404 page not found", 404)}, []string{"isn't one of a Kubernetes API server"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := openHere(t, k, Options{Name: "a", Server: &test.server})
			_, err := d.Read(storetest.Within(t, time.Second))
			oneLine(t, err, append(test.words, "dcs/kubernetes: read demo: list configmaps: ")...)
			_, err = d.AttemptToAcquireLeader(storetest.Within(t, time.Second))
			oneLine(t, err, append(test.words, "dcs/kubernetes: acquire the leader key: ")...)
			_, err = d.UpdateLeader(storetest.Within(t, time.Second), dcs.Lease{ID: "0@x"})
			oneLine(t, err, append(test.words, "dcs/kubernetes: renew the leader key: ")...)
		})
	}
}

// A grant is worth nothing without the right to claim what only the leader writes.
func TestForbiddenOnOneObject(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/"
	rule := func(verbs string, names ...string) map[string]any {
		return map[string]any{"apiGroups": []string{""}, "resources": []string{"configmaps"}, "verbs": strings.Fields(verbs), "resourceNames": names}
	}
	k.Do(t, "POST", "/api/v1/namespaces/default/serviceaccounts", map[string]any{"metadata": map[string]any{"name": "some"}})
	k.Do(t, "POST", rbac+"roles", map[string]any{"metadata": map[string]any{"name": "some"}, "rules": []any{
		rule("get list create"), rule("patch", "demo-leader", "demo-config"),
	}})
	k.Do(t, "POST", rbac+"rolebindings", map[string]any{"metadata": map[string]any{"name": "some"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "some", "namespace": "default"}}})
	d := openHere(t, k, Options{Name: "a", Server: &rest.Config{
		Host: k.URL(), BearerToken: k.ServiceAccountToken(t, "default", "some"), TLSClientConfig: rest.TLSClientConfig{CAFile: k.CA},
	}})
	_, err := d.AttemptToAcquireLeader(storetest.Within(t, 10*time.Second))
	oneLine(t, err, "acquire the leader key: ", "403 Forbidden", `configmaps "demo-sync" is forbidden`, `cannot patch`)
	if !IsRefused(err) {
		t.Errorf("%v isn't called refused", err)
	}
	all := openHere(t, k, Options{Name: "b"})
	if l, err := all.AttemptToAcquireLeader(storetest.Within(t, 10*time.Second)); err != nil {
		t.Errorf("the grant wasn't released: %v, %v", l, err)
	}
	err = d.Touch(storetest.Within(t, 10*time.Second), dcs.Member{})
	oneLine(t, err, "touch: ", `pods "a" is forbidden`)
	err = all.Touch(storetest.Within(t, 10*time.Second), dcs.Member{})
	oneLine(t, err, "touch: ", "no such Pod")
	k.Pod(t, "default", "b", "10.0.0.1", nil)
	err = all.Touch(storetest.Within(t, 10*time.Second), dcs.Member{})
	oneLine(t, err, "touch: ", "the Pod has not the label")
}

func TestTokenIsReadAgain(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret")
	d := openHere(t, k, Options{Server: &rest.Config{Host: k.URL(), BearerTokenFile: file, TLSClientConfig: rest.TLSClientConfig{CAFile: k.CA}}})
	_, err := d.Read(storetest.Within(t, 10*time.Second))
	oneLine(t, err, "401 Unauthorized")
	write(k.Token)
	if _, err := d.Read(storetest.Within(t, 10*time.Second)); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

// A Pod's service account: its token is replaced while the agent runs.
func TestInCluster(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want string) {
		t.Helper()
		_, err := inCluster(folder, k.Servers[0].Addr)
		oneLine(t, err, want)
	}
	refused("ca.crt: no such file")
	write("ca.crt", "no certificate")
	refused("holds no certificate in PEM")
	authority, err := os.ReadFile(k.CA)
	if err != nil {
		t.Fatal(err)
	}
	write("ca.crt", string(authority))
	refused("token: no such file")
	write("token", k.Token)
	c, err := inCluster(folder, k.Servers[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	d := openHere(t, k, Options{Server: c})
	if _, err := d.Read(storetest.Within(t, 10*time.Second)); err != nil {
		t.Errorf("as the Pod: %v", err)
	}
	write("token", "s3cret")
	_, err = d.Read(storetest.Within(t, 10*time.Second))
	oneLine(t, err, "401 Unauthorized")
	write("token", k.Token+"\n")
	if _, err := d.Read(storetest.Within(t, 10*time.Second)); err != nil {
		t.Errorf("with the next token: %v", err)
	}
	t.Setenv(hostVar, "")
	if _, err := InCluster(); err == nil || !strings.Contains(err.Error(), hostVar) {
		t.Errorf("outside of a Pod: %v", err)
	}
}

// The server asks to come later; the call does, inside its context.
func TestLater(t *testing.T) {
	for _, code := range []int{429, 500, 503, 504, 521} {
		var asked atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) < 3 {
				w.WriteHeader(code)
				return
			}
			fmt.Fprint(w, `{"metadata":{"name":"demo-leader","resourceVersion":"1"}}`)
		}))
		d := openHere(t, nil, Options{Server: &rest.Config{Host: s.URL}, Retriable: []int{521}})
		if _, err := d.look(storetest.Within(t, 10*time.Second), "configmaps", "demo-leader"); err != nil || asked.Load() != 3 {
			t.Errorf("%d: %v after %d requests", code, err, asked.Load())
		}
		s.Close()
	}
}

// A version that the server no longer has: all is read anew, and a hint given.
func TestWatchFromAnOldVersion(t *testing.T) {
	var lists atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("watch") == "":
			lists.Add(1)
			fmt.Fprint(w, `{"metadata":{"resourceVersion":"5"},"items":[]}`)
		case lists.Load() < 5:
			fmt.Fprint(w, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}`+"\n"+
				`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}`)
		default:
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	d := openHere(t, nil, Options{Server: &rest.Config{Host: s.URL}})
	ctx, cancel := context.WithCancel(t.Context())
	hints, n := d.Watch(ctx), 0
	testenv.Eventually(t, 20*time.Second, "the objects to be read anew", func() error {
		select {
		case <-hints:
			n++
		default:
		}
		if lists.Load() < 5 || n < 2 {
			return fmt.Errorf("%d lists, %d hints", lists.Load(), n)
		}
		return nil
	})
	cancel()
	for range hints {
	}
}

// Requests go to the servers themselves, past one that is dead, and to the Service
// when all are.
func TestServersBehindTheService(t *testing.T) {
	var dialed []string
	s := &servers{}
	dial := s.dialer(func(_ context.Context, _, address string) (net.Conn, error) {
		dialed = append(dialed, address)
		if address == "10.0.0.1:6443" {
			return nil, errors.New("dead")
		}
		client, _ := net.Pipe()
		return client, nil
	}, "10.96.0.1:443")
	for range 2 {
		s.set([]string{"10.0.0.1:6443", "10.0.0.2:6443"})
		dial(t.Context(), "tcp", "10.96.0.1:443")
		dial(t.Context(), "tcp", "10.96.0.1:443")
		s.set([]string{"10.0.0.1:6443"})
		dial(t.Context(), "tcp", "10.96.0.1:443")
		dial(t.Context(), "tcp", "elsewhere:443")
	}
	once := "10.0.0.1:6443 10.0.0.2:6443 10.0.0.2:6443 10.0.0.1:6443 10.96.0.1:443 elsewhere:443"
	if got := strings.Join(dialed, " "); got != once+" "+once {
		t.Errorf("dialed %s", got)
	}
}

func TestBadOptions(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"Options.Server is missing":       func(o *Options) { o.Server = nil },
		"Options.Path.Scope is \"A b\"":   func(o *Options) { o.Path.Scope = "A b" },
		"Options.Name is \"node_1\"":      func(o *Options) { o.Name = "node_1" },
		"Options.Labels is empty":         func(o *Options) { o.Labels = nil },
		"Options.TTL is -1s":              func(o *Options) { o.TTL = -time.Second },
		"Options.Retriable has 409":       func(o *Options) { o.Retriable = []int{409} },
		"Options.Ports has port 0":        func(o *Options) { o.Ports = []Port{{}} },
		"open: API server \"ftp://x:y\"":  func(o *Options) { o.Server.Host = "ftp://x:y" },
		"open: unable to load root certi": func(o *Options) { o.Server.CAData = []byte("x") },
	} {
		o := Options{Server: &rest.Config{Host: "https://a:1"}, Path: dcs.Path{Scope: "demo"}, Labels: map[string]string{"a": "b"}}
		change(&o)
		if _, err := Open(o); err == nil || !strings.HasPrefix(err.Error(), "dcs/kubernetes: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
