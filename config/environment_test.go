package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

func TestEnvironmentGoesOverFile(t *testing.T) {
	c, warnings, err := loadText(t, "log: {level: ERROR}\n",
		"PATH=/bin", "PATRONI_NAME=two", "PATRONI_SCOPE=", "PATRONI_LOG_LEVEL=DEBUG", "PATRONI_LOGLEVEL=CRITICAL",
		"PATRONI_RESTAPI_USERNAME=admin", "PATRONI_RESTAPI_PASSWORD=0123", "PATRONI_RESTAPI_ALLOWLIST='10.0.0.1','10.1.0.0/16'",
		"PATRONI_RESTAPI_HTTP_EXTRA_HEADERS=X-A: b, X-C: d", "PATRONI_RESTAPI_REQUEST_QUEUE_SIZE=7",
		"PATRONI_CTL_INSECURE=on", "PATRONI_LOG_STATIC_FIELDS={dc: north}", "PATRONI_FENCE=required",
		"PATRONI_POSTGRESQL_BIN_PG_REWIND=rewind15", "PATRONI_REPLICATION_PASSWORD=no", "PATRONI_REPLICATION_SSLMODE=require",
		"PATRONI_SUPERUSER_USERNAME=boss", "PATRONI_VERSION=4", "PATRONI_MAIN_SERVICE_HOST=10.0.0.1", "PATRONI_MAIN_PORT_8008_TCP=tcp://x",
		"PATRONI_RESTAPI_LISTN=x")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := c.Effective(nil, ha.CommonFloors())
	if err != nil {
		t.Fatal(err)
	}
	check := func(want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check([]string{"two", "demo", "required", "DEBUG"}, []string{c.Name, c.Scope, string(c.Fence), c.Log.Level.String()})
	check(Auth{"admin", "0123"}, c.RESTAPI.Auth)
	check([]string{"10.0.0.1", "10.1.0.0/16"}, c.RESTAPI.Allowlist)
	check(map[string]string{"X-A": "b", "X-C": "d"}, c.RESTAPI.ExtraHeaders)
	check(map[string]any{"dc": "north"}, c.Log.StaticFields)
	check(true, c.Ctl.Insecure)
	check(map[string]string{"pg_rewind": "rewind15"}, c.PostgreSQL.BinNames)
	check(postgres.Credentials{Username: "replicator", Password: "no", Setting: "postgresql.authentication.replication", Options: map[string]string{"sslmode": "require"}}, s.PostgreSQL.Replication)
	check("boss", s.PostgreSQL.Superuser.Username)
	var lines []string
	for _, w := range warnings {
		lines = append(lines, w.String())
	}
	check([]string{"without effect here: restapi.request_queue_size", "PATRONI_RESTAPI_LISTN: unknown variable, ignored"}, lines)
}

func TestEnvironmentAlone(t *testing.T) {
	c, _, err := Load("", []string{
		"PATRONI_SCOPE=demo", "PATRONI_NAME=one", "PATRONI_RESTAPI_LISTEN=127.0.0.1:8008", "PATRONI_ETCD3_HOSTS='a:1',b",
		"PATRONI_POSTGRESQL_LISTEN=127.0.0.1:5432", "PATRONI_POSTGRESQL_DATA_DIR=/data", "PATRONI_REPLICATION_USERNAME=r",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://a:1", "http://b:2379"}, etcd3(c).Endpoints); diff != "" {
		t.Error(diff)
	}
	if c.Bootstrap != nil {
		t.Error("without a section bootstrap a member would initialise a cluster")
	}
}

func TestWholeVariableCountsAlone(t *testing.T) {
	c, warnings, err := Load("", []string{"PATRONI_CONFIGURATION=" + base, "PATRONI_NAME=two", "PATRONI_NONSENSE=1"})
	if err != nil || len(warnings) > 0 || c.Name != "one" {
		t.Fatalf("%v, %v, %+v", err, warnings, c)
	}
	c, _, err = loadText(t, "", "PATRONI_CONFIGURATION=name: three")
	if err != nil || c.Name != "one" {
		t.Fatalf("a path is given, and PATRONI_CONFIGURATION counts: %v, %+v", err, c)
	}
}

func TestBadVariables(t *testing.T) {
	_, _, err := loadText(t, "", "PATRONI_LOG_FILE_NUM=many", "PATRONI_CTL_INSECURE=perhaps", "PATRONI_RESTAPI_ALLOWLIST=[hunter2",
		"PATRONI_ZOOKEEPER_AUTH_DATA=digest:hunter2", "PATRONI_ETCD_HOST=x")
	const want = `PATRONI_CTL_INSECURE: "perhaps" is no switch: allowed are on, true, yes, 1 and off, false, no, 0
PATRONI_LOG_FILE_NUM: "many" is no whole number
PATRONI_RESTAPI_ALLOWLIST: must be a list: 'a','b' or ['a','b']
etcd, etcd3: several stores are configured: one is allowed
zookeeper.auth_data: must be a map of schemes to credentials: a blank is missing after a colon
zookeeper.hosts: missing: it names the servers, as host:port`
	if err == nil {
		t.Fatal("no error")
	}
	got := err.Error()
	if diff := cmp.Diff(want, strings.ReplaceAll(got, "etcd, etcd3, zookeeper:", "etcd, etcd3:")); diff != "" {
		t.Error(diff)
	}
}

func TestLooseLists(t *testing.T) {
	for text, want := range map[string][]any{
		"a":                    {"a"},
		"a,b:1":                {"a", "b:1"},
		"'a:1', \"b\"":         {"a:1", "b"},
		"[a, b]":               {"a", "b"},
		"- a\n- b":             {"a", "b"},
		"'[::1]:2379','[::2]'": {"[::1]:2379", "[::2]"},
		"500, 502":             {500, 502},
	} {
		v, err := envList.parse(text)
		if diff := cmp.Diff(any(want), v); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}
