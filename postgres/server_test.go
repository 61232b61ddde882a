package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// limit bounds everything that a test waits for.
const limit = 30 * time.Second

// mortal launches like the default does, but what it launches ends with the
// test's process.
type mortal struct{}

func (mortal) Launch(_ context.Context, c Command) (int, error) {
	if c.Writable {
		if err := c.Permit.check(clock.System().Now()); err != nil {
			return 0, err
		}
	}
	log, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	proc, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []*os.File{nil, log, log},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGQUIT},
	})
	if err != nil {
		return 0, err
	}
	pid := proc.Pid // gone with Release
	return pid, proc.Release()
}

// fixture is a Server on a directory of its own.
type fixture struct {
	*Server
	t        *testing.T
	port     int
	settings Settings
	options  Options
}

// newServer returns one whose data directory is empty.
func newServer(t *testing.T, name string, change func(*Options, *Settings)) *fixture {
	t.Helper()
	dir := testenv.ShortTempDir(t)
	f := &fixture{t: t, port: testenv.Port(t)}
	f.options = Options{
		Name: name, Scope: "demo", DataDir: filepath.Join(dir, "data"), BinDir: testenv.PostgresBin(t),
		PassFile: filepath.Join(dir, "pgpass"), Launcher: mortal{}, Logger: testLogger(t),
	}
	f.settings = Settings{
		Listen:      fmt.Sprintf("127.0.0.1:%d", f.port),
		Superuser:   Credentials{Username: "postgres", Password: "it's secret"},
		Replication: Credentials{Username: "replicator", Password: `re\p:li`},
		Parameters:  map[string]string{"unix_socket_directories": dir, "fsync": "off"},
		HBA: []string{
			"local all all trust",
			"host all all 127.0.0.1/32 scram-sha-256",
			"host replication all 127.0.0.1/32 scram-sha-256",
		},
		InitdbArgs: []string{"--auth=trust", "--no-sync", "--data-checksums", "--locale=C.UTF-8", "--encoding=UTF8"},
		UseSlots:   true,
	}
	if change != nil {
		change(&f.options, &f.settings)
	}
	checkLeaks(t)
	s, err := New(f.options, f.settings)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = s
	t.Cleanup(func() { f.end(s) })
	return f
}

var leaksChecked sync.Map // of *testing.T

// checkLeaks makes t fail if it leaves a goroutine.
func checkLeaks(t *testing.T) {
	if _, again := leaksChecked.LoadOrStore(t, true); again {
		return
	}
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// end kills all that runs on the directory and closes s.
func (f *fixture) end(s *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.Stop(ctx, Stop{Mode: StopImmediate, Escalate: 5 * time.Second}); err != nil {
		f.t.Error(err)
	}
	s.Close()
	if f.t.Failed() {
		text, _ := os.ReadFile(s.logFile())
		f.t.Logf("log of %s:\n%s", s.opts.Name, text)
	}
}

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// ctx is one that ends when the test has waited long enough.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// permit is a Permit for now.
func permit() Permit { return Permit{NotAfter: clock.System().Now().Add(limit)} }

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await asks for the status until ok, and returns it.
func (f *fixture) await(what string, ok func(Status) bool) Status {
	f.t.Helper()
	return awaitStatus(f.t, f.Server, what, ok)
}

func awaitStatus(t *testing.T, s *Server, what string, ok func(Status) bool) Status {
	t.Helper()
	var st Status
	testenv.Eventually(t, limit, s.opts.Name+" to be "+what, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if st = s.Status(ctx); ok(st) {
			return nil
		}
		return fmt.Errorf("it is %+v", st)
	})
	return st
}

func runs(role Role) func(Status) bool {
	return func(st Status) bool { return st.State == StateRunning && st.Role == role }
}

// sql runs statements as superuser over the unix socket.
func (f *fixture) sql(statements ...string) {
	f.t.Helper()
	ctx := testContext(f.t)
	conn := f.conn(ctx)
	defer conn.Close(ctx)
	for _, q := range statements {
		if _, err := conn.Exec(ctx, q); err != nil {
			f.t.Fatalf("%s: %v", q, err)
		}
	}
}

// text runs a query of one value.
func (f *fixture) text(query string) string {
	f.t.Helper()
	ctx := testContext(f.t)
	conn := f.conn(ctx)
	defer conn.Close(ctx)
	var v any
	if err := conn.QueryRow(ctx, query).Scan(&v); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	return fmt.Sprint(v)
}

func (f *fixture) conn(ctx context.Context) *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", filepath.Dir(f.options.DataDir), f.port))
	if err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// template is a data directory after Bootstrap and PostBootstrap, which the
// tests copy.
var template struct {
	sync.Mutex
	dir string
}

func copyTemplate(t *testing.T, dir string) {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.dir == "" {
		t.Run("template", func(t *testing.T) {
			f := newServer(t, "template", nil)
			ctx := testContext(t)
			must(t, f.Bootstrap(ctx))
			must(t, f.StartPrimary(ctx, permit()))
			f.await("primary", runs(RolePrimary))
			must(t, f.PostBootstrap(ctx))
			must(t, f.Stop(ctx, Stop{Mode: StopFast}))
			keep, err := os.MkdirTemp("", "template")
			must(t, err)
			must(t, os.Rename(f.options.DataDir, filepath.Join(keep, "data")))
			template.dir = filepath.Join(keep, "data")
		})
	}
	if out, err := exec.Command("cp", "-a", template.dir, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the template: %v: %s", err, out)
	}
}

// newStopped is a server with a cluster that doesn't run.
func newStopped(t *testing.T, change func(*Options, *Settings)) *fixture {
	t.Helper()
	f := newServer(t, "p1", change)
	copyTemplate(t, f.options.DataDir)
	return f
}

// newPrimary is one that runs.
func newPrimary(t *testing.T, change func(*Options, *Settings)) *fixture {
	t.Helper()
	f := newStopped(t, change)
	must(t, f.StartPrimary(testContext(t), permit()))
	f.await("primary", runs(RolePrimary))
	return f
}

// newStandby is a standby of p that streams.
func newStandby(t *testing.T, p *fixture, name string, change func(*Options, *Settings)) *fixture {
	t.Helper()
	f := newServer(t, name, change)
	ctx := testContext(t)
	p.backup(f.options.DataDir)
	must(t, f.StartStandby(ctx, p.upstream()))
	f.await("streaming", streams)
	return f
}

// upstream is f for others.
func (f *fixture) upstream() Upstream {
	return Upstream{Name: f.options.Name, Host: "127.0.0.1", Port: f.port}
}

// backup makes dir a base backup of p.
func (f *fixture) backup(dir string) {
	f.t.Helper()
	cmd := exec.CommandContext(testContext(f.t), filepath.Join(f.options.BinDir, "pg_basebackup"), "-D", dir, "-X", "stream", "-c", "fast", "-N",
		"-d", fmt.Sprintf("host=127.0.0.1 port=%d user=replicator", f.port))
	cmd.Env = append(os.Environ(), "PGPASSWORD="+f.settings.Replication.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
}

// Several servers of one user have a password file each.
func TestDefaultFilesAreTheServersOwn(t *testing.T) {
	t.Setenv("HOME", "")
	dir := testenv.ShortTempDir(t)
	files := make(map[string]bool)
	for _, name := range []string{"a", "b"} {
		s, err := New(Options{Name: "n", DataDir: filepath.Join(dir, name)}, Settings{Listen: "127.0.0.1:5432"})
		must(t, err)
		defer s.Close()
		files[s.opts.PassFile], files[s.opts.LogFile] = true, true
	}
	if len(files) != 4 {
		t.Errorf("got %v", files)
	}
}

func TestBootstrapStartStop(t *testing.T) {
	f := newServer(t, "p1", nil)
	ctx := testContext(t)
	if st := f.Status(ctx); st.Data != DataEmpty || st.State != StateStopped || st.Problem != "" {
		t.Fatalf("empty directory: %+v", st)
	}
	must(t, f.Bootstrap(ctx))
	st := f.Status(ctx)
	if st.Data != DataValid || st.State != StateStopped || st.SystemID == "" || st.Timeline != 1 || st.Location == 0 || !st.Control.CleanShutdown() {
		t.Fatalf("after bootstrap: %+v", st)
	}
	must(t, f.StartPrimary(ctx, permit()))
	st = f.await("primary", runs(RolePrimary))
	if st.Timeline != 1 || st.Location == 0 || st.PID == 0 || !st.Answers || st.ServerVersion < 120000 || st.StartedAt.IsZero() || st.Standby {
		t.Errorf("running: %+v", st)
	}
	f.sql("CREATE TABLE t (i int)", "INSERT INTO t VALUES (1)")
	var shut []string
	must(t, f.Stop(ctx, Stop{Mode: StopFast, Checkpoint: true, OnShutdown: func(c Control) { shut = append(shut, c.State) }}))
	if strings.Join(shut, ",") != "shut down" {
		t.Errorf("OnShutdown was called with %q", shut)
	}
	if st := f.Status(ctx); st.State != StateStopped || st.PID != 0 || st.Role != RoleNone || !st.Control.CleanShutdown() || st.Problem != "" {
		t.Errorf("stopped: %+v", st)
	}
	if left, err := f.serverProcesses(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v %v", left, err)
	}
}

func containsText(b []byte, text string) bool { return strings.Contains(string(b), text) }
