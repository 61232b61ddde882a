package etcd2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// watchExpiry looks at the key until it is gone, and returns how long after the end
// of the lease that was. It must not go before.
func watchExpiry(t *testing.T, d *DCS, l dcs.Lease) time.Duration {
	t.Helper()
	var late time.Duration
	testenv.Eventually(t, 60*time.Second, "the end of the grant", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := d.Read(ctx)
		now := d.clock.Now()
		switch {
		case err != nil:
			return err
		case s.Leader != nil && s.Leader.Grant == l.ID:
			return errors.New("the key is there")
		case now.Before(l.End()):
			t.Fatalf("the key went %v before the end of the lease %+v", l.End().Sub(now), l)
		}
		late = now.Sub(l.End())
		return nil
	})
	return late
}

// serversLeader is the member that leads.
func serversLeader(t *testing.T, server *testenv.EtcdCluster) *testenv.EtcdMember {
	t.Helper()
	for _, m := range server.Members {
		response, err := http.Get("http://" + m.Addr + "/v2/stats/leader")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return m
		}
	}
	t.Fatal("no member leads")
	return nil
}

func TestKeyOutlivesServers(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	for name, trouble := range map[string]func(*testing.T, *testenv.EtcdCluster, dcs.Lease, clock.Clock){
		"none": func(*testing.T, *testenv.EtcdCluster, dcs.Lease, clock.Clock) {},
		"the leader is killed": func(t *testing.T, server *testenv.EtcdCluster, _ dcs.Lease, _ clock.Clock) {
			serversLeader(t, server).Kill()
		},
		"the leader freezes": func(t *testing.T, server *testenv.EtcdCluster, _ dcs.Lease, _ clock.Clock) {
			serversLeader(t, server).Freeze()
		},
		"all are killed and started": func(t *testing.T, server *testenv.EtcdCluster, _ dcs.Lease, _ clock.Clock) {
			for _, m := range server.Members {
				m.Kill()
			}
			for _, m := range server.Members {
				m.Start()
			}
		},
		"all are away until after the end": func(t *testing.T, server *testenv.EtcdCluster, l dcs.Lease, c clock.Clock) {
			for _, m := range server.Members {
				m.Kill()
			}
			timer := c.NewTimer(l.End().Add(2 * time.Second))
			defer timer.Stop()
			<-timer.C()
			for _, m := range server.Members {
				m.Start()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3, V2: true})
			a, b := openHere(t, server, Options{Name: "a", TTL: ttl}), openHere(t, server, Options{Name: "b", TTL: ttl})
			l := acquireHere(t, a)
			l, err := a.UpdateLeader(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			trouble(t, server, l, a.clock)
			t.Logf("the key went %v after the end of the lease", watchExpiry(t, b, l))
			acquireHere(t, b)
		})
	}
}

// shifted is a server whose wall clock is ahead by some time: what it says of the
// time is changed on the way.
func shifted(t *testing.T, target string, ahead time.Duration) string {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: target}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			r.Header.Set("Date", date.Add(ahead).UTC().Format(http.TimeFormat))
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		const field = `"expiration":"`
		if _, rest, ok := strings.Cut(string(text), field); ok {
			old, _, _ := strings.Cut(rest, `"`)
			at, err := time.Parse(time.RFC3339Nano, old)
			if err != nil {
				return err
			}
			text = []byte(strings.ReplaceAll(string(text), field+old, field+at.Add(ahead).Format(time.RFC3339Nano)))
		}
		r.Body = io.NopCloser(strings.NewReader(string(text)))
		r.ContentLength = int64(len(text))
		r.Header.Del("Content-Length")
		return nil
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// A server that may end the key is ahead of the one that was asked to extend it.
func TestLeaseIsShorterByAServersLead(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	const ttl = 30 * time.Second
	for name, test := range map[string]struct {
		asked, other time.Duration // ahead by
		least, most  time.Duration // of the lease
	}{
		"another is ahead":         {0, 10 * time.Second, ttl - 10*time.Second, ttl - 9*time.Second + 100*time.Millisecond},
		"the asked one is ahead":   {10 * time.Second, 0, ttl, ttl},
		"both are ahead":           {time.Hour, time.Hour, ttl, ttl},
		"another is half a second": {0, 500 * time.Millisecond, ttl - 500*time.Millisecond, ttl},
	} {
		t.Run(name, func(t *testing.T) {
			asked, other := shifted(t, server.Members[0].Addr, test.asked), shifted(t, server.Members[0].Addr, test.other)
			d := openHere(t, server, Options{Name: "a", TTL: ttl, Endpoints: []string{asked, other}})
			if err := d.RemoveCluster(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := d.present(t.Context()); err != nil {
				t.Fatal(err)
			}
			l := acquireHere(t, d)
			if l.For < test.least || l.For > test.most {
				t.Errorf("the lease is for %v, want %v to %v", l.For, test.least, test.most)
			}
			if lasts := d.LeaseFor(ttl); lasts != l.For {
				t.Errorf("leases last %v, this one %v", lasts, l.For)
			}
		})
	}
	t.Run("by more than the lease", func(t *testing.T) {
		d := openHere(t, server, Options{Name: "a", TTL: ttl, Endpoints: []string{
			shifted(t, server.Members[0].Addr, 0), shifted(t, server.Members[0].Addr, time.Minute)}})
		if _, err := d.present(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveCluster(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := d.AttemptToAcquireLeader(t.Context())
		if err == nil || errors.Is(err, dcs.ErrHeld) || !strings.Contains(err.Error(), "ahead of that of") {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
