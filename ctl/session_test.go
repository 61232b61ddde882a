package ctl

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-ha/regent/config"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/testenv"
)

// The program finds its cluster by a file, by variables, and by the store's URL.
func TestConfiguredStore(t *testing.T) {
	store := testenv.Etcd(t, testenv.EtcdOptions{}).Members[0].Addr
	publish(t, store)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("regent.yml", "scope: shop\nnamespace: db\netcd3: {host: "+store+"}\npostgresql: {data_dir: /x}\n")
	elsewhere := file("elsewhere.yml", "scope: shop\nnamespace: db\netcd3: {host: 127.0.0.1:1}\n")
	file("home/.config/patroni/patronictl.yaml", "scope: shop\nnamespace: db\netcd3: {host: "+store+"}\n")
	broken := file("broken.yml", "scope: [\n")
	for name, c := range map[string]struct {
		env, args []string
		code      int
		want      string
	}{
		"file":                     {nil, []string{"-c", good, "list"}, 0, "| db-a   | 10.9.0.1 |"},
		"another cluster":          {nil, []string{"list", "-c", good, "other"}, 0, "other (uninitialized)"},
		"variable for the file":    {[]string{"PATRONICTL_CONFIG_FILE=" + good}, []string{"list"}, 0, "db-a"},
		"default file":             {[]string{"HOME=" + filepath.Join(dir, "home")}, []string{"list"}, 0, "db-a"},
		"variables alone":          {[]string{"HOME=" + dir, "PATRONI_SCOPE=shop", "PATRONI_NAMESPACE=/db/", "PATRONI_ETCD3_HOST=" + store}, []string{"list"}, 0, "db-a"},
		"variables over a file":    {[]string{"PATRONI_ETCD3_HOST=" + store}, []string{"list", "-c", elsewhere}, 0, "db-a"},
		"store's URL over a file":  {nil, []string{"list", "-c", elsewhere, "-d", "etcd3://" + store + "/db"}, 0, "db-a"},
		"store's URL alone":        {nil, []string{"list", "shop", "--dcs", store + "/db"}, 0, "db-a"},
		"store's URL by variable":  {[]string{"DCS_URL=etcd3://" + store + "/db"}, []string{"list", "shop"}, 0, "db-a"},
		"no cluster":               {nil, []string{"list", "-d", store}, 0, "No cluster names were provided"},
		"no cluster to switch":     {nil, []string{"switchover", "-d", store}, 1, "Error: no cluster is named"},
		"nothing":                  {nil, []string{"list"}, 1, "Error: etcd3: missing: no store is configured"},
		"file that is missing":     {nil, []string{"list", "-c", "/missing.yml"}, 1, "Error: /missing.yml: no such file or directory"},
		"file that is broken":      {nil, []string{"list", "-c", broken}, 1, "Error: " + broken},
		"certificate that is none": {[]string{"PATRONI_CTL_CERTFILE=" + broken}, []string{"list", "-c", good}, 1, broken},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if c.env == nil {
				c.env = []string{}
			}
			code := Run(context.Background(), Options{In: strings.NewReader(""), Out: &out, Err: &out, Env: c.env}, c.args)
			if code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("%d, want %d with %q: %s", code, c.code, c.want, out.String())
			}
		})
	}
}

// publish writes a member into the store.
func publish(t *testing.T, store string) {
	t.Helper()
	backend, err := etcd.Open(etcd.Options{Endpoints: []string{store}, Path: dcs.Path{Namespace: "db", Scope: "shop"}, Name: "db-a"})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	if err := backend.Touch(context.Background(), member("db-a", "10.9.0.1")); err != nil {
		t.Fatal(err)
	}
}

// Who says that certificates aren't to be verified has none verified, by no authority.
func TestInsecure(t *testing.T) {
	for name, c := range map[string]struct {
		config   config.Ctl
		flag     bool
		ca       string
		insecure bool
	}{
		"by the members' authority": {config.Ctl{}, false, "api.pem", false},
		"by our own":                {config.Ctl{CACert: "ctl.pem"}, false, "ctl.pem", false},
		"by the flag":               {config.Ctl{CACert: "ctl.pem"}, true, "", true},
		"by the configuration":      {config.Ctl{CACert: "ctl.pem", Insecure: true}, false, "", true},
		"without one of our own":    {config.Ctl{}, true, "", true},
	} {
		p := &program{}
		p.flags.insecure = c.flag
		o := p.clientOptions(&config.Config{Ctl: c.config, RESTAPI: config.RESTAPI{CAFile: "api.pem"}})
		if o.CAFile != c.ca || o.Insecure != c.insecure {
			t.Errorf("%s: %q, %v", name, o.CAFile, o.Insecure)
		}
	}
}
