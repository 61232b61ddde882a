package consul_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// counter passes requests on and counts them, those of a watch aside.
type counter struct {
	pass http.Handler
	mu   sync.Mutex
	seen []string
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("keys") {
		c.mu.Lock()
		c.seen = append(c.seen, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
	}
	c.pass.ServeHTTP(w, r)
}

func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// What docs/backends/load.md promises of an idle cluster: a member sends one request
// for its entry, a leader two for its lease.
func TestCostOfAnIdleCycle(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	target, err := url.Parse("http://" + server.Servers[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the watch that ends with the test
	count := &counter{pass: pass}
	link := httptest.NewServer(count)
	t.Cleanup(link.Close)
	d, ctx := closing(t, server, consul.Options{Address: strings.TrimPrefix(link.URL, "http://"), Name: "a", TTL: 20 * time.Second}), storetest.Patient(t)
	<-d.Watch(ctx)
	l, m := storetest.Life(t, d), dcs.Member{State: "running"}
	if err := d.Touch(ctx, m); err != nil {
		t.Fatal(err)
	}
	touched := clock.System().Now()
	testenv.Eventually(t, storetest.Patience, "silence after the touch", func() error {
		if from, until := d.Quiet(); from.IsZero() || !until.After(max(from, touched)) {
			return fmt.Errorf("from %v until %v, touched at %v", from, until, touched)
		}
		return nil
	})
	if _, err := d.Read(ctx); err != nil {
		t.Fatal(err)
	}
	count.take()
	for range 3 {
		if l, err = d.UpdateLeader(ctx, l); err != nil {
			t.Fatal(err)
		}
		if seen := count.take(); len(seen) != 2 {
			t.Errorf("a renewal: %q", seen)
		}
		if err := d.Touch(ctx, m); err != nil {
			t.Fatal(err)
		}
		if seen := count.take(); len(seen) != 1 {
			t.Errorf("a touch: %q", seen)
		}
	}
}
