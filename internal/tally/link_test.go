package tally_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/internal/tally"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, target string) *tally.Link {
	t.Helper()
	l, err := tally.Listen(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func counts(t *testing.T, l *tally.Link) map[string]int {
	t.Helper()
	c, err := l.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantCounts waits for counts: an answer can be faster than they are.
func wantCounts(t *testing.T, l *tally.Link, want map[string]int) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, fmt.Sprintf("counts of %v", want), func() error {
		if got := counts(t, l); !maps.Equal(got, want) {
			return fmt.Errorf("got %v", got)
		}
		return nil
	})
}

func TestRequestsToEtcd(t *testing.T) {
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	link := listen(t, server.Members[0].Addr)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := server.Client(t, link.Addr)
	large := strings.Repeat("x", 100_000) // several frames
	for range 3 {
		if _, err := client.Put(ctx, "a", large); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	lease, err := client.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.KeepAliveOnce(ctx, lease.ID); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"Put": 3, "Range": 3, "LeaseGrant": 1, "LeaseKeepAlive": 1}
	wantCounts(t, link, want)
	watching, end := context.WithCancel(ctx)
	defer end()
	client.Watch(watching, "a")
	for range 2 {
		if err := client.RequestProgress(watching); err != nil {
			t.Fatal(err)
		}
	}
	want["Watch"], want[tally.Watching] = 1, 2
	wantCounts(t, link, want)
}

// Patroni reaches etcd by JSON over HTTP/1.1; so does this.
func TestRequestsOverHTTP1(t *testing.T) {
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	link := listen(t, server.Members[0].Addr)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for range 3 {
		answer, err := client.Post("http://"+link.Addr+"/v3/kv/range", "application/json", strings.NewReader(`{"key":"Zm9v"}`))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("got %s", answer.Status)
		}
	}
	wantCounts(t, link, map[string]int{"POST /v3/kv/range": 3})
}

func TestWhatCannotBeRead(t *testing.T) {
	server := testenv.Etcd(t, testenv.EtcdOptions{TLS: true})
	link := listen(t, server.Members[0].Addr)
	transport := &http.Transport{TLSClientConfig: server.TLS}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://" + link.Addr + "/version")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	testenv.Eventually(t, 20*time.Second, "a word about what isn't counted", func() error {
		if _, err := link.Counts(); err == nil {
			return errors.New("none")
		}
		return nil
	})
}

func TestRequestsToKubernetes(t *testing.T) {
	server := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	link, certificate, err := tally.ListenTLS(server.Servers[0].Addr, server.CA)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for _, path := range []string{"pods", "pods", "configmaps?labelSelector=a%3Db", "pods?watch=1&timeoutSeconds=1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+link.Addr+"/api/v1/namespaces/default/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+server.Token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	wantCounts(t, link, map[string]int{"GET pods": 2, "GET configmaps": 1, tally.Watching: 1})
}
