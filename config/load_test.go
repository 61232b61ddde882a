package config

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

func TestLoadWholeFile(t *testing.T) {
	c := load(t, "testdata/patroni.yml")
	check := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	check("names", []string{"orders", "service", "orders-1", "/run/regent/orders-orders-1", "automatic", "10.20.0.11:6432"},
		[]string{c.Scope, c.Namespace, c.Name, c.RunDir, string(c.Fence), c.ProxyAddress})
	check("log", Log{Type: "plain", Level: slog.LevelInfo, Dir: "/var/log/regent", Mode: 0o640, FileNum: 7, FileSize: 10 << 20}, c.Log)
	check("restapi", RESTAPI{
		Listen: "0.0.0.0:8008", ConnectAddress: "10.20.0.11:8008", Auth: Auth{"admin", "0042"},
		CertFile: "/etc/regent/server.crt", KeyFile: "/etc/regent/server.key", CAFile: "/etc/regent/ca.crt",
		VerifyClient: "optional", Allowlist: []string{"10.20.0.0/24", "monitor.example.com"},
		ExtraHeaders: map[string]string{"X-Served-By": "orders-1"}, ServerTokens: "original",
	}, c.RESTAPI)
	check("ctl", Ctl{Auth: Auth{"admin", "0042"}, CACert: "/etc/regent/ca.crt"}, c.Ctl)
	check("store", Store{Kind: "etcd3", Section: Etcd{
		Kind:      "etcd3",
		Endpoints: []string{"https://10.20.0.21:2379", "https://10.20.0.22:2379", "https://etcd-3.example.com:2379"},
		NamedBy:   "hosts", Protocol: "https", Username: "regent", Password: "etcd secret", CACert: "/etc/regent/etcd-ca.crt",
	}}, c.Store)
	check("tags", dcs.Tags{"nofailover": false, "failover_priority": 2, "clonefrom": true, "datacentre": "north"}, c.Tags)
	check("options", postgres.Options{
		Name: "orders-1", Scope: "orders", DataDir: "/var/lib/postgresql/15/orders", BinDir: "/usr/lib/postgresql/15/bin",
		PassFile: "/run/regent/pgpass",
	}, c.PostgreSQL)
}

func TestEffectiveOfWholeFile(t *testing.T) {
	c := load(t, "testdata/patroni.yml")
	got, warnings, err := c.Effective(nil, ha.CommonFloors())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	cluster := ha.DefaultSettings()
	cluster.TTL, cluster.LoopWait, cluster.RetryTimeout = 20*time.Second, 5*time.Second, 5*time.Second
	cluster.PrimaryStallTimeout = 20 * time.Second
	cluster.MaximumLagOnFailover = 16 << 20
	cluster.SynchronousMode = ha.SynchronousQuorum
	cluster.Failsafe = true
	cluster.Slots = map[string]any{"audit": nil}
	if diff := cmp.Diff(cluster, got.Cluster); diff != "" {
		t.Errorf("cluster: %s", diff)
	}
	want := postgres.Settings{
		Listen: "0.0.0.0,::1:5432", ConnectAddress: "10.20.0.11:5432",
		Superuser: postgres.Credentials{Username: "postgres", Password: "super secret", Setting: "postgresql.authentication.superuser",
			Options: map[string]string{"sslmode": "verify-full", "sslrootcert": "/etc/regent/ca.crt"}},
		Replication:   postgres.Credentials{Username: "replicator", Password: "012345", Setting: "postgresql.authentication.replication"},
		Rewind:        postgres.Credentials{Username: "rewinder", Password: "rewind secret", Setting: "postgresql.authentication.rewind"},
		UseUnixSocket: true,
		Parameters: map[string]string{
			"wal_level": "logical", "max_connections": "300", "wal_keep_size": "1024MB",
			"shared_buffers": "4GB", "unix_socket_directories": "/var/run/postgresql", "auto_explain.log_min_duration": "1s",
			"random_page_cost": "1.1", "archive_mode": "on", "archive_command": "pgbackrest --stanza=orders archive-push %p",
		},
		RecoveryConf: map[string]string{"restore_command": `pgbackrest --stanza=orders archive-get %f "%p"`},
		CtlTimeout:   2 * time.Minute, UseSlots: true, UseRewind: true,
		CloneArgs: []string{"--max-rate=100M", "--checkpoint=fast", "--verbose"},
		CloneMethods: []postgres.Method{
			{Name: "pgbackrest", Command: "/usr/bin/pgbackrest --stanza=orders --delta restore", KeepData: true, NoParams: true},
			{Name: "basebackup"},
		},
		InitdbArgs: []string{"--encoding=UTF8", "--data-checksums", "--locale=C.UTF-8"},
		BootstrapHBA: []string{
			"host all all 10.20.0.0/24 scram-sha-256", "host replication replicator 10.20.0.0/24 scram-sha-256",
		},
		PostBootstrap: "/usr/local/bin/make-roles",
		Callbacks:     map[string]string{"on_role_change": "/usr/local/bin/on-role-change"},
	}
	if diff := cmp.Diff(want, got.PostgreSQL); diff != "" {
		t.Errorf("postgresql: %s", diff)
	}
}

// load loads a file that nothing is wrong with.
func load(t *testing.T, path string, env ...string) *Config {
	t.Helper()
	c, warnings, err := Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if w.Key != path { // its mode
			t.Errorf("unexpected warning: %s", w)
		}
	}
	return c
}

func TestFormerSpellings(t *testing.T) {
	c, warnings, err := loadText(t, `
name: null
restapi: {auth: "admin:a:b"}
bootstrap: {post_init: /bin/true, dcs: {permanent_slots: {a: null}}}
log: null
postgresql:
  name: two
  authentication: null
  create_replica_method: [restore, basebackup]
  restore: {command: restore, no_master: on, threads: 4, fast: true}
  replication: {username: r, password: p}
  superuser: {username: s}
  pg_rewind: {username: w}
`)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	s, _, err := c.Effective(nil, ha.CommonFloors())
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		c.Name, c.RESTAPI.Auth, s.PostgreSQL.Replication, s.PostgreSQL.Superuser.Username, s.PostgreSQL.Rewind.Username,
		s.PostgreSQL.PostBootstrap, s.PostgreSQL.CloneMethods, s.Cluster.Slots,
	}
	want := []any{
		"two", Auth{"admin", "a:b"}, postgres.Credentials{Username: "r", Password: "p", Setting: "postgresql.authentication.replication"}, "s", "w", "/bin/true",
		[]postgres.Method{{Name: "restore", Command: "restore", NoLeader: true, Args: []string{"--fast=true", "--threads=4"}}, {Name: "basebackup"}},
		map[string]any{"a": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBootstrapMethod(t *testing.T) {
	c, _, err := loadText(t, `
bootstrap:
  method: pgbackrest
  pgbackrest:
    command: pgbackrest restore
    keep_existing_recovery_conf: true
    recovery_conf: {recovery_target_timeline: latest, recovery_target_time: 2026-01-02 03:04:05}
  spare: {command: /bin/false}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &postgres.Method{
		Name: "pgbackrest", Command: "pgbackrest restore", KeepExistingRecoveryConf: true,
		RecoveryConf: map[string]string{"recovery_target_timeline": "latest", "recovery_target_time": "2026-01-02 03:04:05"},
	}
	if diff := cmp.Diff(want, c.Bootstrap.Method); diff != "" {
		t.Error(diff)
	}
}
