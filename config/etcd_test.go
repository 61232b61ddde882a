package config

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// The section etcd has the keys of etcd3.
func TestOpenEtcdV2(t *testing.T) {
	for _, test := range []struct {
		name    string
		options testenv.EtcdOptions
	}{
		{"plain", testenv.EtcdOptions{V2: true}},
		{"TLS and authentication", testenv.EtcdOptions{V2: true, TLS: true, Password: "0123"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := testenv.Etcd(t, test.options)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			section := strings.Replace(etcdText(e), "etcd3:\n  host: null\n", "etcd3: null\netcd:\n", 1)
			leads(t, section, 33, 33*time.Second)
			if e.Username == "" {
				return
			}
			c, _, err := loadText(t, strings.Replace(section, "0123", "wrong", 1))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			refused, err := OpenDCS(ctx, c, "", clock.System(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer refused.Close()
			_, err = refused.Read(ctx)
			if got := c.StoreSetting(err); err == nil || got != "etcd.username, etcd.password" || strings.Contains(err.Error(), "wrong") {
				t.Errorf("%v: %s", err, got)
			}
		})
	}
}

// A server that doesn't serve API v2 isn't an empty cluster: the error names the
// section that it is for.
func TestEtcdWithoutV2(t *testing.T) {
	e := testenv.Etcd(t, testenv.EtcdOptions{})
	c, _, err := loadText(t, strings.Replace(etcdText(e), "etcd3:\n  host: null\n", "etcd3: null\netcd:\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	store, err := OpenDCS(t.Context(), c, "", clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, err = store.Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--enable-v2") || !strings.Contains(err.Error(), "etcd3:") || errors.Is(err, dcs.ErrLost) {
		t.Errorf("the error is: %v", err)
	}
}
