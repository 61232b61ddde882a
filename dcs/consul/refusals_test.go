package consul_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// enough is what docs/backends says that a member's token needs.
const enough = `key_prefix "service/demo/" { policy = "write" } session_prefix "" { policy = "write" }`

func TestTLSAndToken(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{TLS: true, ACL: true})
	token := server.NewToken(t, "member", enough)
	d := closing(t, server, consul.Options{Name: "a", TTL: time.Minute, Token: token})
	l := storetest.Life(t, d)
	<-d.Watch(storetest.Patient(t))
	if err := d.ReleaseLeader(storetest.Patient(t), l); err != nil {
		t.Error(err)
	}
	if err := d.RemoveCluster(storetest.Patient(t)); err != nil {
		t.Error(err)
	}
}

// wantRefusal wants an error at once, which tells what was attempted and no secret.
func wantRefusal(t *testing.T, err error, secret string, words ...string) {
	t.Helper()
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a refusal at once", err)
		return
	}
	if !strings.HasPrefix(err.Error(), "dcs/consul: ") || strings.Contains(err.Error(), "\n") || secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("got %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, which doesn't tell %q", err, w)
		}
	}
	if errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrLost) || errors.Is(err, dcs.ErrConflict) {
		t.Errorf("got %q, which reads as an answer about the key", err)
	}
}

func TestTokenIsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{ACL: true})
	storetest.Life(t, closing(t, server, consul.Options{Name: "leader", TTL: time.Minute}))
	root, unknown := server.Token, "99999999-2222-3333-4444-555555555555"
	server.Token = "" // from here on a handle has the token that it is given, or none
	for name, test := range map[string]struct{ token, words string }{
		"none":    {"", "Permission denied"},
		"unknown": {unknown, "ACL not found"},
	} {
		_, err := closing(t, server, consul.Options{Name: "a", Token: test.token}).Read(storetest.Within(t, storetest.Patience))
		wantRefusal(t, err, test.token, "read service/demo/", test.words)
		if !consul.IsLoginRefused(err) {
			t.Errorf("%s: %v isn't known as a refused login", name, err)
		}
		_, err = closing(t, server, consul.Options{Name: "a", Token: test.token}).AttemptToAcquireLeader(storetest.Within(t, storetest.Patience))
		wantRefusal(t, err, test.token, "acquire the leader key", test.words)
	}
	server.Token = root
	for key, verb := range map[string]func(context.Context, *consul.DCS) error{
		"leader": func(ctx context.Context, d *consul.DCS) error { _, err := d.AttemptToAcquireLeader(ctx); return err },
		"status": func(ctx context.Context, d *consul.DCS) error {
			l, err := d.AttemptToAcquireLeader(ctx)
			if err != nil {
				return nil
			}
			_, err = d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any})
			d.ReleaseLeader(ctx, l)
			return err
		},
		"config": func(ctx context.Context, d *consul.DCS) error {
			_, err := d.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
			return err
		},
		"members/a": func(ctx context.Context, d *consul.DCS) error { return d.Touch(ctx, dcs.Member{State: "running"}) },
	} {
		t.Run(key, func(t *testing.T) {
			path := "service/" + strings.ReplaceAll(key, "/", "-") + "/" // a cluster of its own
			rules := strings.ReplaceAll(enough, "service/demo/", path) + ` key "` + path + key + `" { policy = "deny" }`
			token := server.NewToken(t, strings.ReplaceAll(key, "/", "-"), rules)
			scope := dcs.Path{Scope: strings.Trim(strings.TrimPrefix(path, "service"), "/")}
			d := closing(t, server, consul.Options{Name: "a", TTL: time.Minute, Path: scope, Token: token})
			wantRefusal(t, verb(storetest.Within(t, storetest.Patience), d), token, key, "Permission denied")
			// Once it is there, a key that can't be read isn't an absent one.
			raw := closing(t, server, consul.Options{Name: "b", TTL: time.Minute, Path: scope})
			switch {
			case key == "leader":
				if _, err := raw.AttemptToAcquireLeader(storetest.Patient(t)); err != nil {
					t.Fatal(err)
				}
			default:
				if _, err := raw.Put(storetest.Patient(t), dcs.Write{Key: dcs.Key(key), Value: []byte("x"), Prev: dcs.Any}); err != nil {
					t.Fatal(err)
				}
			}
			_, err := d.Read(storetest.Within(t, storetest.Patience))
			wantRefusal(t, err, token, "read "+path)
		})
	}
}

func TestTLSIsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{TLS: true})
	plain := testenv.Consul(t, testenv.ConsulOptions{})
	stranger := server.TLS.Clone()
	stranger.RootCAs = x509.NewCertPool()
	anonymous := &tls.Config{RootCAs: server.TLS.RootCAs}
	for name, test := range map[string]struct {
		address string
		tls     *tls.Config
		words   string
	}{
		"another CA":               {"https://" + server.Servers[0].Addr, stranger, "certificate signed by unknown authority"},
		"no certificate of ours":   {"https://" + server.Servers[0].Addr, anonymous, "certificate required"},
		"HTTP to a server of TLS":  {"http://" + server.Servers[0].Addr, nil, "HTTPS"},
		"HTTPS to one without TLS": {"https://" + plain.Servers[0].Addr, server.TLS, "HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := consul.Open(consul.Options{Address: test.address, TLS: test.tls, Name: "a", Path: dcs.Path{Scope: "demo"}})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			_, err = d.Read(storetest.Within(t, 5*time.Second))
			wantRefusal(t, err, "", "read service/demo/", test.words)
		})
	}
}

// Whatever answers at the address, no answer but Consul's is taken for an empty
// cluster, a lost lease or a success.
func TestGarbage(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"nothing is found": http.NotFound,
		"a web page":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an empty object":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") },
		"an empty list":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") },
		"truncated JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Consul-Index", "5")
			w.Header().Set("X-Consul-Default-Acl-Policy", "allow")
			w.Header().Set("X-Consul-LastContact", "0")
			io.WriteString(w, `[{"Key":"service/demo/leader","Va`)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(answer))
			defer web.Close()
			d, err := consul.Open(consul.Options{Address: web.URL, Token: "hidden", Name: "a", Path: dcs.Path{Scope: "demo"}})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			l := dcs.Lease{ID: "11111111-2222-3333-4444-555555555555"}
			ctx := storetest.Within(t, 2*time.Second)
			_, read := d.Read(ctx)
			_, acquired := d.AttemptToAcquireLeader(ctx)
			_, updated := d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any})
			_, put := d.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
			for verb, err := range map[string]error{
				"read": read, "acquire": acquired, "update": updated, "put": put,
				"release": d.ReleaseLeader(ctx, l), "touch": d.Touch(ctx, dcs.Member{}), "delete": d.Delete(ctx, dcs.ConfigKey, dcs.Any),
			} {
				if err == nil || errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrLost) || errors.Is(err, dcs.ErrConflict) ||
					strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got %v", verb, err)
				}
			}
			t.Log(read)
		})
	}
}
