package etcd2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// servers are those that requests go to, the one that answers first.
type servers struct {
	mu   sync.Mutex
	urls []string
}

func (s *servers) first() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls[0]
}

func (s *servers) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.urls)
}

// failed puts a server behind all others.
func (s *servers) failed(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.urls[0] == url {
		s.urls = append(s.urls[1:], url)
	}
}

// set replaces the servers, but not the order of those that stay.
func (s *servers) set(urls []string) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now []string
	for _, u := range s.urls {
		if slices.Contains(urls, u) {
			now = append(now, u)
		} else {
			changed = true
		}
	}
	for _, u := range urls {
		if !slices.Contains(now, u) {
			now, changed = append(now, u), true
		}
	}
	s.urls = now
	return changed
}

// lookAround asks again and again which servers there are and what their clocks
// show, until the handle is closed.
func (d *DCS) lookAround() {
	every := d.options.Discover
	if every <= 0 {
		every = time.Minute
	}
	for pause := min(time.Second, every); ; pause = every {
		select {
		case <-d.closed.Done():
			return
		case <-time.After(pause):
		}
		ctx, cancel := context.WithTimeout(d.closed, d.options.TTL/2)
		urls, err := d.present(ctx)
		cancel()
		if err != nil {
			continue
		}
		d.clocks.keep(urls)
		if d.servers.set(urls) {
			d.log.Info("the store's servers are others", "servers", urls)
		}
	}
}

// present are the configured servers, and those that the cluster advertises and
// that answer as its members. Servers come and go while a handle lives; but what
// they advertise may be wrong, and reach nobody from here, or somebody else.
func (d *DCS) present(ctx context.Context) ([]string, error) {
	urls := d.options.urls()
	if d.options.Discover > 0 {
		advertised, err := d.advertised(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range advertised {
			if !slices.ContainsFunc(urls, func(have string) bool { return withoutScheme(have) == withoutScheme(u) }) {
				urls = append(urls, u)
			}
		}
	}
	configured := len(d.options.Endpoints)
	var found []string
	for i, u := range urls {
		err := d.answers(ctx, u)
		if i < configured || err == nil {
			found = append(found, u)
		} else if errors.Is(err, errOtherStore) {
			d.log.Warn("what a server of the store advertises leads to another store", "url", u)
		} else {
			d.log.Debug("a server of the store doesn't answer at what it advertises", "url", u, "error", err)
		}
	}
	return found, ctx.Err()
}

// answers asks a server for the leader key, whatever it is.
func (d *DCS) answers(ctx context.Context, server string) error {
	_, err := d.try(ctx, server, request{method: http.MethodGet, key: d.leaderKey()})
	if isFinal(err) {
		return nil
	}
	return err
}

// advertised are the URLs that the members of the cluster give for clients. Only
// those of the scheme of ours: a password goes where the configuration says.
func (d *DCS) advertised(ctx context.Context) (urls []string, err error) {
	server := d.servers.first()
	ctx, cancel := context.WithTimeout(ctx, d.options.AttemptTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/v2/members", nil)
	if err != nil {
		return nil, err
	}
	if d.options.Username != "" {
		q.SetBasicAuth(d.options.Username, d.options.Password)
	}
	response, err := d.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if err := d.check(response); err != nil {
		return nil, err
	}
	var list struct {
		Members []struct {
			ClientURLs []string `json:"clientURLs"`
		} `json:"members"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&list); err != nil {
		return nil, fmt.Errorf("list the servers: %w", err)
	}
	scheme, _, _ := strings.Cut(server, "://")
	for _, m := range list.Members {
		for _, c := range m.ClientURLs {
			if u, err := url.Parse(c); err == nil && u.Scheme == scheme && u.User == nil && u.Host != "" {
				urls = append(urls, strings.TrimSuffix(c, "/"))
			}
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls), nil
}

func withoutScheme(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest
}
