package postgres

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTooManyConnectionsIsAnAnswer(t *testing.T) {
	f := newPrimary(t, func(_ *Options, s *Settings) {
		s.Parameters["max_connections"] = "25"
		s.Parameters["superuser_reserved_connections"] = "0"
	})
	ctx := testContext(t)
	f.closeSession(ctx)
	for range 25 {
		conn := f.conn(ctx)
		defer conn.Close(ctx)
	}
	st := f.await("without a free connection", func(st Status) bool { return st.Problem != "" })
	if st.State != StateUnknown || st.Role != RoleNone || !st.Answers || st.PID == 0 {
		t.Errorf("%+v", st)
	}
}

func TestStartingIsAnAnswer(t *testing.T) {
	f := newStopped(t, func(_ *Options, s *Settings) {
		s.RecoveryConf = map[string]string{"restore_command": "sleep 1; false"}
	})
	ctx := testContext(t)
	must(t, f.StartStandby(ctx, Upstream{}))
	st := f.await("starting", func(st Status) bool { return st.State == StateStarting && st.Answers })
	if st.Role != RoleNone || st.PID == 0 || st.Location != 0 {
		t.Errorf("%+v", st)
	}
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate}))
}

// Our own kept connection must not hold a smart stop, a user's does.
func TestSmartStop(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	f := newPrimary(t, func(_ *Options, s *Settings) { s.BeforeStop = "sh -c 'echo before > " + said + "; exit 1'" })
	ctx := testContext(t)
	conn := f.conn(ctx)
	begin := time.Now()
	closed := time.AfterFunc(300*time.Millisecond, func() { conn.Close(ctx) })
	defer closed.Stop()
	must(t, f.Stop(ctx, Stop{Mode: StopSmart, Escalate: limit}))
	if d := time.Since(begin); d < 200*time.Millisecond || d > limit/2 {
		t.Errorf("a smart stop with a client of 300 ms took %v", d)
	}
	if text, err := os.ReadFile(said); err != nil || string(text) != "before\n" {
		t.Errorf("before_stop: %q %v", text, err)
	}
}

func TestLogFileStaysSmall(t *testing.T) {
	f := newServer(t, "p1", nil)
	must(t, os.WriteFile(f.logFile(), bytes.Repeat([]byte("x\n"), 100), 0o600))
	must(t, f.rotateLog(200, true))
	if _, err := os.Stat(f.logFile() + ".1"); err == nil {
		t.Error("put aside although it isn't too large")
	}
	for _, running := range []bool{true, false} {
		must(t, os.WriteFile(f.logFile(), bytes.Repeat([]byte("x\n"), 101), 0o600))
		must(t, f.rotateLog(200, running))
		if fi, err := os.Stat(f.logFile()); running && (err != nil || fi.Size() != 0) || !running && err == nil {
			t.Errorf("running %v: %v %v", running, fi, err)
		}
		if old, err := os.Stat(f.logFile() + ".1"); err != nil || old.Size() != 202 {
			t.Errorf("running %v: the old log: %v %v", running, old, err)
		}
	}
}

func TestParseControlledFiles(t *testing.T) {
	lock := parsePidFile("1234\n/data\n1763865384\n5432\n/run/postgresql\n*\n  5432001         7\nready   \n")
	if lock.pid != 1234 || lock.port != 5432 || lock.socketDir != "/run/postgresql" || lock.listen != "*" || lock.status != "ready" {
		t.Errorf("%+v", lock)
	}
	if lock := parsePidFile("-7\n/data\n"); lock.pid != -7 || lock.port != 0 {
		t.Errorf("single-user server: %+v", lock)
	}
	if v, err := serverVersion("18beta1"); v != 180000 || err != nil {
		t.Errorf("%d %v", v, err)
	}
	values := map[string]string{"a": `it's \ x`, "b": ""}
	f := newServer(t, "p1", nil)
	text := f.configText(Settings{}, values, map[string]string{"primary_conninfo": `user='a b'`})
	got := confValues(string(text))
	if got["a"] != values["a"] || got["b"] != "" || got["primary_conninfo"] != `user='a b'` {
		t.Errorf("read back: %q of\n%s", got, text)
	}
}
