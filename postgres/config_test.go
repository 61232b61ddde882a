package postgres

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/testenv"
)

func TestBadParameterIsToldAndHeals(t *testing.T) {
	f := newStopped(t, func(_ *Options, s *Settings) { s.Parameters["shared_preload_libraries"] = "no_such_library" })
	ctx := testContext(t)
	must(t, f.StartPrimary(ctx, permit()))
	st := f.await("dead with a reason", func(st Status) bool { return st.State == StateStopped && st.Problem != "" })
	if want := `FATAL:  could not access file "no_such_library"`; !strings.Contains(st.Problem, want) {
		t.Errorf("Problem is %q, not %q", st.Problem, want)
	}
	f.settings.Parameters = map[string]string{"unix_socket_directories": filepath.Dir(f.options.DataDir)}
	must(t, f.Configure(f.settings))
	must(t, f.StartPrimary(ctx, permit()))
	if st := f.await("primary", runs(RolePrimary)); st.Problem != "" {
		t.Errorf("Problem is still %q", st.Problem)
	}
}

// What only the server can know is wrong comes as a LOG line before the FATAL.
func TestBadValueIsTold(t *testing.T) {
	f := newStopped(t, func(_ *Options, s *Settings) { s.Parameters["log_min_messages"] = "loud" })
	must(t, f.StartPrimary(testContext(t), permit()))
	st := f.await("dead with a reason", func(st Status) bool { return st.State == StateStopped && st.Problem != "" })
	if want := `invalid value for parameter "log_min_messages": "loud"`; !strings.Contains(st.Problem, want) {
		t.Errorf("Problem is %q, not %q", st.Problem, want)
	}
}

func TestBadParameterWithLoggingCollector(t *testing.T) {
	f := newStopped(t, func(_ *Options, s *Settings) {
		s.Parameters["logging_collector"] = "on"
		s.Parameters["shared_buffers"] = "64TB"
	})
	must(t, f.StartPrimary(testContext(t), permit()))
	st := f.await("dead with a reason", func(st Status) bool { return st.State == StateStopped && st.Problem != "" })
	if !strings.Contains(st.Problem, "FATAL") {
		t.Errorf("Problem is %q", st.Problem)
	}
}

func TestPortInUse(t *testing.T) {
	f := newStopped(t, nil)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	must(t, err)
	defer l.Close()
	must(t, f.StartPrimary(testContext(t), permit()))
	st := f.await("dead with a reason", func(st Status) bool { return st.State == StateStopped && st.Problem != "" })
	if want := "could not create any TCP/IP sockets"; !strings.Contains(st.Problem, want) {
		t.Errorf("Problem is %q, not %q", st.Problem, want)
	}
}

func TestWrongBinDir(t *testing.T) {
	f := newServer(t, "p1", func(o *Options, _ *Settings) { o.BinDir = "/nowhere" })
	err := f.Bootstrap(testContext(t))
	if err == nil || !strings.Contains(err.Error(), "/nowhere/initdb") || !strings.Contains(err.Error(), "Options.BinDir") {
		t.Errorf("got %v", err)
	}
}

func TestParametersThatTheServerWouldRefuse(t *testing.T) {
	f := newStopped(t, func(_ *Options, s *Settings) {
		for name, value := range map[string]string{
			"no_such_parameter":    "1",
			"my.extension":         "kept",
			"zero_damaged_pages":   "on", // known, but not listed
			"autovacuum":           "perhaps",
			"checkpoint_timeout":   "1000000",
			"Work_Mem":             "8MB",
			"max_connections":      "7",
			"wal_level":            "minimal",
			"hot_standby":          "off",
			"wal_log_hints":        "yes",
			"port":                 "1",
			"listen_addresses":     "*",
			"cluster_name":         "other",
			"application_name":     `it's a \ path`,
			"recovery_target_time": "yesterday",
		} {
			s.Parameters[name] = value
		}
	})
	must(t, f.StartPrimary(testContext(t), permit()))
	if st := f.await("primary", runs(RolePrimary)); len(st.Pending) != 0 {
		t.Errorf("pending: %v", st.Pending)
	}
	for name, want := range map[string]string{
		"my.extension": "kept", "autovacuum": "on", "checkpoint_timeout": "1d", "work_mem": "8MB",
		"max_connections": "100", "wal_level": "replica", "hot_standby": "on", "wal_log_hints": "on",
		"port": fmt.Sprint(f.port), "listen_addresses": "127.0.0.1", "cluster_name": "demo",
		"wal_keep_size": "128MB", "zero_damaged_pages": "on", "recovery_target_time": "",
	} {
		if got := f.text("SHOW " + name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if got := f.text("SELECT reset_val FROM pg_settings WHERE name = 'application_name'"); got != `it's a \ path` {
		t.Errorf("application_name is %q", got)
	}
}

func TestPendingRestart(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	f.settings.Parameters["max_connections"] = "42"
	f.settings.Parameters["shared_buffers"] = "64MB"
	f.settings.Parameters["work_mem"] = "7MB"
	must(t, f.Configure(f.settings))
	must(t, f.Reload(ctx))
	st := f.Status(ctx)
	want := map[string]Change{"max_connections": {"100", "42"}, "shared_buffers": {"128MB", "64MB"}}
	if fmt.Sprint(st.Pending) != fmt.Sprint(want) {
		t.Errorf("pending: %v, not %v", st.Pending, want)
	}
	if got := f.text("SHOW work_mem"); got != "7MB" {
		t.Errorf("work_mem is %s", got)
	}
	// Changed by hand, and noticed without a Reload of ours.
	f.sql("ALTER SYSTEM SET shared_buffers = '32MB'", "ALTER SYSTEM SET max_connections = 1000", "SELECT pg_reload_conf()")
	f.await("the change by hand", func(st Status) bool { return st.Pending["shared_buffers"].New == "32MB" })
	must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	must(t, f.StartPrimary(ctx, permit()))
	st = f.await("primary", runs(RolePrimary))
	if len(st.Pending) != 0 {
		t.Errorf("after the restart: %v", st.Pending)
	}
	if got := f.text("SHOW max_connections"); got != "42" {
		t.Errorf("max_connections is %s: ALTER SYSTEM won", got)
	}
}

// A standby can't start with less than its primary had.
func TestStandbyKeepsItsPrimarysLimits(t *testing.T) {
	p := newPrimary(t, func(_ *Options, s *Settings) { s.Parameters["max_connections"] = "120" })
	r := newStandby(t, p, "r1", func(_ *Options, s *Settings) { s.Parameters["max_connections"] = "50" })
	st := r.Status(testContext(t))
	if got := (Change{Old: "120", New: "50"}); st.Pending["max_connections"] != got {
		t.Errorf("pending: %v", st.Pending)
	}
	if got := r.text("SHOW max_connections"); got != "120" {
		t.Errorf("max_connections is %s", got)
	}
}

func TestConfigurationOutsideTheDataDirectory(t *testing.T) {
	f := newStopped(t, func(o *Options, _ *Settings) { o.ConfigDir = filepath.Join(filepath.Dir(o.DataDir), "etc") })
	ctx := testContext(t)
	must(t, os.Mkdir(f.options.ConfigDir, 0o700))
	must(t, os.WriteFile(filepath.Join(f.options.ConfigDir, "postgresql.conf"), []byte("work_mem = '9MB'\n"), 0o600))
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
	if got := f.text("SHOW work_mem"); got != "9MB" {
		t.Errorf("the original configuration is lost: work_mem is %s", got)
	}
	must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	// The directory is lost, its copies in the data directory aren't.
	must(t, os.RemoveAll(f.options.ConfigDir))
	must(t, os.Mkdir(f.options.ConfigDir, 0o700))
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
	if got := f.text("SHOW work_mem"); got != "9MB" {
		t.Errorf("the copies weren't used: work_mem is %s", got)
	}
}

func TestAutoConfLosesRecoverySettings(t *testing.T) {
	f := newStopped(t, nil)
	path := f.dataPath("postgresql.auto.conf")
	must(t, os.WriteFile(path, []byte("# Do not edit\nprimary_conninfo = 'host=elsewhere'\nwork_mem = '6MB'\nrestore_command='false'\n"), 0o600))
	must(t, f.StartPrimary(testContext(t), permit()))
	f.await("primary", runs(RolePrimary))
	text, err := os.ReadFile(path)
	must(t, err)
	if string(text) != "# Do not edit\nwork_mem = '6MB'\n" {
		t.Errorf("postgresql.auto.conf is\n%s", text)
	}
}

func TestCallbacksRunInOrder(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	script := filepath.Join(dir, "call back")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\n[ $1 = on_stop ] && sleep 0.3\necho \"$*\" >> "+log+"\n"), 0o700))
	f := newServer(t, "p1", func(_ *Options, s *Settings) {
		s.Callbacks = map[string]string{"on_stop": "'" + script + "'", "on_role_change": "'" + script + "'"}
	})
	begin := time.Now()
	f.Callback("on_stop", "demoted")
	f.Callback("on_role_change", "replica")
	f.Callback("on_start", "replica") // none is configured
	if d := time.Since(begin); d > 200*time.Millisecond {
		t.Errorf("blocked for %v", d)
	}
	f.calls.Wait()
	text, err := os.ReadFile(log)
	must(t, err)
	if string(text) != "on_stop demoted demo\non_role_change replica demo\n" {
		t.Errorf("callbacks:\n%s", text)
	}
}

func TestPostBootstrap(t *testing.T) {
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	script := filepath.Join(dir, "post")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$*\" > "+seen+"\nexec psql -XAtqc 'CREATE TABLE made (i int)' \"$2\"\n"), 0o700))
	f := newServer(t, "p1", func(_ *Options, s *Settings) {
		s.Rewind = Credentials{Username: "re wind", Password: `q'"\`}
		s.PostBootstrap = script + " first"
		s.HBA = nil
		s.BootstrapHBA = []string{"local all all trust", "host all all 127.0.0.1/32 scram-sha-256"}
		s.InitdbArgs = append(s.InitdbArgs[1:], "--auth-host=scram-sha-256", "--auth-local=trust")
		s.Parameters["log_statement"] = "all"
	})
	ctx := testContext(t)
	t.Setenv("PATH", f.options.BinDir+":"+os.Getenv("PATH"))
	must(t, f.Bootstrap(ctx))
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
	must(t, f.PostBootstrap(ctx))
	f.sql("SELECT * FROM made")
	for role, want := range map[string]string{"replicator": "false true true", "re wind": "false false true", "postgres": "true true true"} {
		if got := f.text("SELECT concat_ws(' ', rolsuper::text, rolreplication::text, rolcanlogin::text) FROM pg_roles WHERE rolname = '" + role + "'"); got != want {
			t.Errorf("role %q: %s, not %s", role, got, want)
		}
	}
	if got := f.text(`SELECT has_function_privilege('re wind', 'pg_read_binary_file(text, bigint, bigint, boolean)', 'execute')::text`); got != "true" {
		t.Error("the rewind role may not read files")
	}
	must(t, f.PostgresqlLogHasNo(f.settings.Superuser.Password, f.settings.Replication.Password))
	text, err := os.ReadFile(seen)
	must(t, err)
	if !strings.HasPrefix(string(text), "first ") || strings.Contains(string(text), "secret") {
		t.Errorf("post_bootstrap got %s", text)
	}
	left, err := filepath.Glob(f.options.PassFile + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("password files left: %v %v", left, err)
	}
	must(t, os.Remove(seen))
	f.settings.PostBootstrap = "sh -c 'echo broken; exit 1'"
	must(t, f.Configure(f.settings))
	if err := f.PostBootstrap(ctx); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a failed post_bootstrap: %v", err)
	}
}

// PostgresqlLogHasNo is an error if one of the secrets is in the server's log.
func (f *fixture) PostgresqlLogHasNo(secrets ...string) error {
	log, err := os.ReadFile(f.logFile())
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if strings.Contains(string(log), secret) || strings.Contains(string(log), strings.ReplaceAll(secret, "'", "''")) {
			return fmt.Errorf("the log has %q", secret)
		}
	}
	return nil
}

func TestInterruptedBootstrapIsIncomplete(t *testing.T) {
	f := newServer(t, "p1", func(_ *Options, s *Settings) {
		s.BootstrapMethod = &Method{Name: "restore", Command: "sh -c 'mkdir -p \"${1#--datadir=}\"; echo 15 > \"${1#--datadir=}/PG_VERSION\"; echo half; exit 1'"}
	})
	ctx := testContext(t)
	err := f.Bootstrap(ctx)
	if err == nil || !strings.Contains(err.Error(), "half") {
		t.Errorf("got %v", err)
	}
	if st := f.Status(ctx); st.Data != DataIncomplete {
		t.Errorf("%+v", st)
	}
	if err := f.StartPrimary(ctx, permit()); err == nil {
		t.Error("an incomplete directory was started")
	}
}

// A backup with WAL behind it is restored up to a point, and ends as a primary
// on a new timeline.
func TestBootstrapByRestore(t *testing.T) {
	from := newPrimary(t, nil)
	ctx := testContext(t)
	dir := t.TempDir()
	backup, archive := filepath.Join(dir, "backup"), filepath.Join(dir, "archive")
	must(t, os.Mkdir(archive, 0o700))
	from.settings.Parameters["archive_mode"] = "on"
	from.settings.Parameters["archive_command"] = "cp %p " + archive + "/%f"
	must(t, from.Configure(from.settings))
	must(t, from.Stop(ctx, Stop{Mode: StopFast}))
	must(t, from.StartPrimary(ctx, permit()))
	from.await("primary", runs(RolePrimary))
	from.backup(backup)
	from.sql("CREATE TABLE t AS SELECT 1 AS i")
	from.sql("SELECT pg_create_restore_point('here')")
	from.sql("INSERT INTO t VALUES (2)")
	from.sql("SELECT pg_switch_wal()")
	must(t, from.Stop(ctx, Stop{Mode: StopFast})) // archives the rest

	f := newServer(t, "n1", func(_ *Options, s *Settings) {
		s.BootstrapMethod = &Method{
			Name: "restore", NoParams: true,
			RecoveryConf: map[string]string{
				"restore_command": "cp " + archive + "/%f %p", "recovery_target_name": "here",
				"recovery_target_action": "promote", "recovery_target_timeline": "latest",
			},
		}
	})
	f.settings.BootstrapMethod.Command = "cp -a " + backup + " " + f.options.DataDir
	must(t, f.Configure(f.settings))
	must(t, f.Bootstrap(ctx))
	if st := f.Status(ctx); st.Data != DataValid || !st.Standby {
		t.Errorf("restored: %+v", st)
	}
	must(t, f.StartPrimary(ctx, permit()))
	st := f.await("primary", runs(RolePrimary))
	if rows := f.text("SELECT count(*) FROM t"); rows != "1" || st.Timeline != 2 {
		t.Errorf("%s rows on timeline %d", rows, st.Timeline)
	}
	must(t, f.Reload(ctx))
	must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	must(t, f.StartPrimary(ctx, permit()))
	if st := f.await("primary", runs(RolePrimary)); st.Timeline != 2 || f.text("SHOW hot_standby") != "on" {
		t.Errorf("the second start: %+v", st)
	}
}

func TestSettingsAreValidated(t *testing.T) {
	good := Settings{Listen: "127.0.0.1:5432"}
	for field, s := range map[string]Settings{
		"Settings.Listen":               {},
		"Settings.ConnectAddress":       {Listen: good.Listen, ConnectAddress: "host:port"},
		"Settings.Callbacks[on_reload]": {Listen: good.Listen, Callbacks: map[string]string{"on_reload": "'open"}},
		"Settings.PrePromote":           {Listen: good.Listen, PrePromote: `\`},
		"Settings.CtlTimeout":           {Listen: good.Listen, CtlTimeout: -1},
	} {
		_, err := New(Options{Name: "n", DataDir: "/data"}, s)
		if err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: got %v", field, err)
		}
	}
	for field, o := range map[string]Options{
		"Options.Name":      {DataDir: "/data"},
		"Options.DataDir":   {Name: "n", DataDir: "data"},
		"Options.ConfigDir": {Name: "n", DataDir: "/data", ConfigDir: "etc"},
	} {
		if _, err := New(o, good); err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestKeepWAL(t *testing.T) {
	v12, v15 := described{"wal_keep_segments": {}}, described{"wal_keep_size": {}}
	for _, c := range []struct {
		known          described
		size, segments string
		want           string
	}{
		{v15, "", "", "wal_keep_size=128MB"},
		{nil, "", "", "wal_keep_size=128MB"},
		{v15, "0", "8", "wal_keep_size=0"},
		{v15, "", "64", "wal_keep_size=1024MB"},
		{v15, "", "some", "wal_keep_size=128MB"},
		{v12, "", "", "wal_keep_segments=8"},
		{v12, "1GB", "", "wal_keep_segments=64"},
		{v12, "17", "", "wal_keep_segments=2"},
		{v12, "1GB", "3", "wal_keep_segments=3"},
	} {
		name, value := keepWAL(c.known, c.size, map[string]string{"wal_keep_size": c.size, "Wal_keep_segments": c.segments})
		if got := name + "=" + value; got != c.want {
			t.Errorf("size %q, segments %q: %s, not %s", c.size, c.segments, got, c.want)
		}
	}
}

// A server goes on listening where it did when it was started, whatever is
// configured since.
func TestListenChangedUnderARunningServer(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	f.settings.Listen = fmt.Sprintf("127.0.0.2:%d", testenv.Port(t))
	must(t, f.Configure(f.settings))
	must(t, f.Reload(ctx))
	second, err := New(f.options, f.settings) // as after a restart of the agent
	must(t, err)
	defer second.Close()
	for _, s := range []*Server{f.Server, second} {
		s.closeSession(ctx)
		st := s.Status(ctx)
		if st.Role != RolePrimary || !st.Answers || st.Pending["port"].New == "" {
			t.Errorf("%+v", st)
		}
		must(t, s.probe(ctx))
	}
}
