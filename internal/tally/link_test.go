package tally_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
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
	d, err := etcd.Open(etcd.Options{Endpoints: []string{link.Addr}, Path: dcs.Path{Scope: "demo"}, Name: "a", TTL: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	large := dcs.Write{Key: dcs.ConfigKey, Value: []byte(strings.Repeat("x", 100_000)), Prev: dcs.Any} // several frames
	for range 3 {
		if _, err := d.Put(ctx, large); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Read(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Touch(ctx, dcs.Member{State: "running"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"Txn": 3, "Range": 3, "LeaseGrant": 1, "Put": 1}
	wantCounts(t, link, want)
	watching, end := context.WithCancel(ctx)
	hints := d.Watch(watching)
	testenv.Eventually(t, 20*time.Second, "a watch to be seen", func() error {
		if c := counts(t, link); c["Watch"] != 1 || c[tally.Watching] < 2 {
			return fmt.Errorf("got %v", c)
		}
		return nil
	})
	end()
	for range hints {
	}
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
