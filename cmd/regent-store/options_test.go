package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// parse reads a command line.
func parse(t *testing.T, args ...string) (options, error) {
	t.Helper()
	var o options
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o, o.adopt()
}

func TestOptionsRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "--data-dir is missing"},
		{"--data-dir /d --name a,b", `--name "a,b"`},
		{"--data-dir /d --listen-client 0.0.0.0:2379", "--listen-client 0.0.0.0:2379: others are told this address"},
		{"--data-dir /d --listen-client store.example:2379", "an IP address is needed"},
		{"--data-dir /d --listen-client 127.0.0.1", "scheme://address:port is needed"},
		{"--data-dir /d --listen-client ftp://127.0.0.1:1", "the schemes http and https are allowed"},
		{"--data-dir /d --listen-client 127.0.0.1:1 --listen-peer 127.0.0.1:1", "each needs an address of its own"},
		{"--data-dir /d --listen-client https://127.0.0.1:1", "https needs --cert-file and --key-file"},
		{"--data-dir /d --cert-file /c --key-file /k", "with --cert-file it must be https"},
		{"--data-dir /d --listen-client https://127.0.0.1:1 --cert-file /nowhere --key-file /k", "open /nowhere: no such file"},
		{"--data-dir /d --initial-cluster a", `"a" is not name=URL`},
		{"--data-dir /d --name a --initial-cluster b=http://127.0.0.1:2380", "has no member --name a, only b"},
		{"--data-dir /d --name a --initial-cluster a=http://127.0.0.1:9", "but --listen-peer is http://127.0.0.1:2380"},
		{"--data-dir /d --name a --initial-cluster a=http://127.0.0.1:2380,a=http://127.0.0.1:2380", "a is named twice"},
		{"--data-dir /d --name a --initial-cluster a=http://h:1,b=http://h:2,c=http://h:3,d=http://h:4", "4 members: one to 3 are supported"},
		{"--data-dir /d --join", "--join without --initial-cluster"},
		{"--data-dir /d --election-timeout 200ms", "at least five heartbeats"},
		{"--data-dir /d --log-level loud", "debug, info, warn and error are allowed"},
	} {
		o, err := parse(t, strings.Fields(c.args)...)
		if err == nil {
			_, err = o.config()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", c.args, err, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	o, err := parse(t, "--data-dir", "/d")
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.config()
	if err != nil {
		t.Fatal(err)
	}
	if c.InitialCluster != "store=http://127.0.0.1:2380" || c.ListenClientUrls[0].String() != "http://127.0.0.1:2379" {
		t.Errorf("not a single member on the loopback address: %s, %v", c.InitialCluster, c.ListenClientUrls)
	}
	if c.AutoCompactionRetention != "1h" {
		t.Error("history is kept for ever")
	}
}

func TestClaimRefuses(t *testing.T) {
	own := identity{Name: "a", Token: "one"}
	used := t.TempDir()
	if err := prepare(used, own); err != nil {
		t.Fatal(err)
	}
	if err := claim(used, own); err != nil {
		t.Errorf("once more: %v", err)
	}
	foreign := t.TempDir()
	if err := os.Mkdir(filepath.Join(foreign, "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	gone := t.TempDir()
	if err := (identity{Name: "a", Token: "one", Served: true}).write(gone); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  string
		by   identity
		want string
	}{
		{used, identity{Name: "b", Token: "one"}, `is the member "a"'s`},
		{used, identity{Name: "a", Token: "two"}, `belongs to the cluster "one", not to "two"`},
		{foreign, own, "holds the data of another etcd"},
		{gone, own, `had the data of "a", which are gone`},
		{t.TempDir(), own, "holds no store"},
	} {
		if err := claim(c.dir, c.by); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v in %s: %v, want %q", c.by, c.dir, err, c.want)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.Mkdir(filepath.Join(foreign, "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{full: "is not empty (letter)", foreign: "holds the data of another etcd"} {
		if err := prepare(dir, identity{Name: "a"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
		if exists(filepath.Join(dir, identityFile)) {
			t.Error("something was written to a directory that was refused")
		}
	}
}
