package config

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Much is waiting for servers that don't answer: more tests than cores at once.
	flag.Set("test.parallel", "16")
	testenv.Main(m)
}

// machine is a file that fits a real etcd and a real PostgreSQL.
func machine(t *testing.T, e *testenv.EtcdCluster, listen, dataDir, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "patroni.yml")
	text := fmt.Sprintf(`
scope: demo
name: one
restapi: {listen: %q, connect_address: "10.0.0.1:8008"}
%s
postgresql:
  listen: %s
  connect_address: 10.0.0.1:5432
  data_dir: %s
  bin_dir: %s
  authentication: {replication: {username: replicator}}
%s`, listen, strings.ReplaceAll(etcdText(e), "  host: null\n", ""), testenv.Addr(t), dataDir, testenv.PostgresBin(t), more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func problemsOf(t *testing.T, file string, ignorePort bool) string {
	t.Helper()
	problems, _ := Validate(t.Context(), file, nil, ignorePort)
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func TestValidate(t *testing.T) {
	e := testenv.Etcd(t, testenv.EtcdOptions{})
	bin := testenv.PostgresBin(t)
	data := filepath.Join(t.TempDir(), "data")
	check := func(what, want, got string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	good := machine(t, e, testenv.Addr(t), data, "  use_pg_rewind: true")
	check("no data directory yet", "", problemsOf(t, good, false))
	if out, err := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "-D", data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check("a data directory", "", problemsOf(t, good, false))

	other := filepath.Join(t.TempDir(), "other")
	write(t, filepath.Join(other, "PG_VERSION"), "9\n")
	check("of another version",
		fmt.Sprintf("postgresql.data_dir: %s has no pg_wal\npostgresql.data_dir: %s is of PostgreSQL 9, and %s/postgres of %s", other, other, bin, majorOf(t, bin)),
		problemsOf(t, machine(t, e, testenv.Addr(t), other, ""), false))
	foreign := filepath.Join(t.TempDir(), "foreign")
	write(t, filepath.Join(foreign, "novel.txt"), "It was a dark night.")
	check("not PostgreSQL's", "postgresql.data_dir: "+foreign+" isn't empty and no data directory of PostgreSQL: PG_VERSION: no such file or directory",
		problemsOf(t, machine(t, e, testenv.Addr(t), foreign, ""), false))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := machine(t, e, l.Addr().String(), data, "")
	check("a port in use", "restapi.listen: "+l.Addr().String()+" can't be listened on: address already in use", problemsOf(t, taken, false))
	check("a port in use, ignored", "", problemsOf(t, taken, true))

	broken := machine(t, e, testenv.Addr(t), data, `  bin_name: {pg_basebackup: pg_no_backup}
tags: {nosync: true, sync_priority: 0}
ctl: {cacert: /no/ca.crt}
`)
	check("several", fmt.Sprintf("ctl.cacert: /no/ca.crt: no such file or directory\n"+
		"postgresql.bin_dir: %s/pg_no_backup can't be run: no such file or directory\n"+
		"tags: nosync and sync_priority are both given: one is allowed", bin), problemsOf(t, broken, false))
}

func TestValidateNamesWhatCantBeReached(t *testing.T) {
	dead := testenv.Addr(t)
	file := filepath.Join(t.TempDir(), "patroni.yml")
	write(t, file, fmt.Sprintf(`
scope: demo
name: one
restapi: {listen: "127.0.0.1:8008"}
etcd3: {host: %q}
postgresql: {listen: "127.0.0.1:5432", data_dir: %s, bin_dir: %s, authentication: {replication: {username: r}}}
`, dead, filepath.Join(t.TempDir(), "x"), testenv.PostgresBin(t)))
	want := "etcd3.host: http://" + dead + " can't be reached: connection refused\n" +
		"postgresql.connect_address: missing\n" +
		"restapi.connect_address: 127.0.0.1:8008 is not allowed: other members can't reach this one by it"
	if diff := cmp.Diff(want, problemsOf(t, file, true)); diff != "" {
		t.Error(diff)
	}
	problems, _ := Validate(t.Context(), "testdata/problems/store_none.yml", nil, true)
	if len(problems) != 1 || problems[0].Key != "etcd3" {
		t.Errorf("%v", problems)
	}
}

func majorOf(t *testing.T, bin string) string {
	t.Helper()
	major, err := majorVersion(t.Context(), filepath.Join(bin, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return major
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
