package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/ha"
)

func TestEffectivePrecedence(t *testing.T) {
	c, _, err := loadText(t, `
ttl: 60
postgresql:
  use_slots: false
  use_pg_rewind: true
  pg_hba: [local all all trust]
  parameters: {Work_Mem: 8MB, max_connections: 500, synchronous_standby_names: x}
`)
	if err != nil {
		t.Fatal(err)
	}
	s, warnings, err := c.Effective(map[string]any{
		"ttl": 20, "retry_timeout": 5,
		"postgresql": map[string]any{
			"use_slots": true, "use_pg_rewind": false, "pg_hba": []any{"host all all all reject"}, "krbsrvname": "pg",
			"listen": "0.0.0.0:1", "data_dir": "/x", "surprise": 1,
			"parameters": map[string]any{
				"work_mem": "4MB", "MAX_CONNECTIONS": 200, "max_wal_senders": 1, "wal_keep_segments": 64, "track_commit_timestamp": "maybe",
				"hot_standby": "off", "wal_level": "hot_standby", "port": 1, "recovery_min_apply_delay": "5min", "jit": false, "gone": nil,
				"data_directory": "/y", "recovery_target_time": "now",
			},
			"recovery_conf": map[string]any{"recovery_min_apply_delay": "1h", "primary_conninfo": "host=x"},
		},
	}, ha.CommonFloors())
	if err != nil {
		t.Fatal(err)
	}
	const wantWarnings = `postgresql.data_dir: ignored in the cluster's configuration: each member has its own
postgresql.listen: ignored in the cluster's configuration: each member has its own
postgresql.parameters.data_directory: ignored: the agent sets it
postgresql.parameters.hot_standby: "off" is not allowed: it must be on; on is used
postgresql.parameters.max_wal_senders: 1 is not allowed: it must be a number of at least 3; 10 is used
postgresql.parameters.port: ignored: the agent sets it
postgresql.parameters.recovery_target_time: ignored: the agent sets it
postgresql.parameters.track_commit_timestamp: "maybe" is not allowed: it must be on or off; off is used
postgresql.recovery_conf.primary_conninfo: ignored: the agent sets it
postgresql.surprise: unknown, ignored`
	var lines []string
	for _, w := range warnings {
		lines = append(lines, w.String())
	}
	if diff := cmp.Diff(wantWarnings, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
	p := s.PostgreSQL
	if s.Cluster.TTL.Seconds() != 20 || !p.UseSlots || !p.UseRewind || p.KrbSrvName != "pg" || p.Listen != "127.0.0.1:5432" {
		t.Errorf("%v, %+v", s.Cluster.TTL, p)
	}
	if diff := cmp.Diff([]string{"local all all trust"}, p.HBA); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"recovery_min_apply_delay": "1h"}, p.RecoveryConf); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{
		"hot_standby": "on", "wal_level": "replica", "max_connections": "200", "max_wal_senders": "10", "track_commit_timestamp": "off",
		"wal_keep_size": "1024MB", "work_mem": "8MB", "jit": "off", "synchronous_standby_names": "x",
	}
	if diff := cmp.Diff(want, p.Parameters); diff != "" {
		t.Error(diff)
	}
}

func TestEffectiveSynchronousNamesAreOurs(t *testing.T) {
	c, _, err := loadText(t, "postgresql: {parameters: {synchronous_standby_names: x}}")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := c.Effective(map[string]any{"synchronous_mode": true}, ha.CommonFloors())
	if names, ok := s.PostgreSQL.Parameters["synchronous_standby_names"]; err != nil || ok {
		t.Errorf("%v, %q", err, names)
	}
}

func TestEffectiveRefuses(t *testing.T) {
	c, _, err := loadText(t, "postgresql: {create_replica_methods: [wal_g]}")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := c.Effective(map[string]any{
		"ttl":        "soon",
		"postgresql": map[string]any{"pg_ctl_timeout": "x", "parameters": map[string]any{"shared_preload_libraries": []any{"a"}}},
	}, ha.CommonFloors())
	const want = `postgresql.create_replica_methods: none of wal_g has a section of its own
postgresql.parameters.shared_preload_libraries: a list is no text, number or switch
postgresql.pg_ctl_timeout: "x" is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d
ttl: "soon" is no time: allowed is a number of seconds or one with a unit: us, ms, s, min, h, d`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Settings{}, s); diff != "" {
		t.Error(diff)
	}
}

func TestNewCluster(t *testing.T) {
	b := &Bootstrap{DCS: map[string]any{"ttl": 20}}
	if diff := cmp.Diff(map[string]any{"ttl": 20, "failsafe_mode": true}, b.NewCluster()); diff != "" {
		t.Error(diff)
	}
	b.DCS["failsafe_mode"] = false
	if b.NewCluster()["failsafe_mode"] != false {
		t.Error("failsafe_mode: false of bootstrap.dcs is lost")
	}
}
