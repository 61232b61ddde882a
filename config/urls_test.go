package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/ha"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string][]string{
		"": {"http://127.0.0.1:8008/patroni", "postgres://127.0.0.1:5432/postgres", ""},
		"restapi: {connect_address: 'db1:8443', certfile: /x, keyfile: /x}\n" +
			"postgresql: {connect_address: '[fd00::1]:5433', proxy_address: 'pool:6432', database: app}": {
			"https://db1:8443/patroni", "postgres://[fd00::1]:5433/app", "postgres://pool:6432/app",
		},
		"postgresql: {listen: '10.0.0.1,127.0.0.1'}": {"http://127.0.0.1:8008/patroni", "postgres://10.0.0.1:5432/postgres", ""},
	} {
		c, _, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := c.Effective(nil, ha.CommonFloors())
		if err != nil {
			t.Fatal(err)
		}
		got := []string{c.APIURL(), c.ConnURL(s.PostgreSQL), c.ProxyURL(s.PostgreSQL)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
