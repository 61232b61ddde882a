package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/testenv"
)

// newReplicable is a running primary with the roles that others need.
func newReplicable(t *testing.T, name string, change func(*Options, *Settings)) *fixture {
	t.Helper()
	f := newServer(t, name, func(o *Options, s *Settings) {
		withRewind(o, s)
		if change != nil {
			change(o, s)
		}
	})
	copyTemplate(t, f.options.DataDir)
	must(t, f.StartPrimary(testContext(t), permit()))
	f.await("primary", runs(RolePrimary))
	f.sql("CREATE ROLE rewinder LOGIN PASSWORD 'r''w \\d'",
		"GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO rewinder")
	return f
}

func withRewind(_ *Options, s *Settings) {
	s.UseRewind = true
	s.Rewind = Credentials{Username: "rewinder", Password: "r'w \\d"}
}

// upstreamSlot is f for one that has a slot there.
func (f *fixture) upstreamSlot(slot string) Upstream {
	up := f.upstream()
	up.Slot = slot
	return up
}

// newReplica clones a standby of f and starts it.
func (f *fixture) newReplica(name string, change func(*Options, *Settings)) *fixture {
	f.t.Helper()
	r := newServer(f.t, name, func(o *Options, s *Settings) {
		withRewind(o, s)
		if change != nil {
			change(o, s)
		}
	})
	ctx := testContext(f.t)
	must(f.t, r.Clone(ctx, f.upstreamSlot(name), nil))
	must(f.t, r.StartStandby(ctx, f.upstreamSlot(name)))
	r.await("streaming", streams)
	return r
}

func streams(st Status) bool { return st.ReplicationState() == "streaming" }

// catchUp waits until r has replayed all that f has.
func (f *fixture) catchUp(r *fixture) {
	f.t.Helper()
	at, err := ParseLSN(f.text("SELECT pg_current_wal_flush_lsn()::text"))
	must(f.t, err)
	r.await("caught up to "+at.String(), func(st Status) bool { return st.Replayed >= at })
}

func (f *fixture) promoted() {
	f.t.Helper()
	ctx := testContext(f.t)
	must(f.t, f.Promote(ctx, permit().NotAfter))
	must(f.t, f.AwaitPrimary(ctx))
}

func TestCloneStreams(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	p.sql("CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i",
		"ALTER SYSTEM SET primary_conninfo = 'host=nowhere'", "ALTER SYSTEM SET work_mem = '5MB'")
	var mu sync.Mutex
	var seen []Progress
	r := newServer(t, "r1", withRewind)
	ctx := testContext(t)
	must(t, r.Clone(ctx, p.upstreamSlot("r1"), func(p Progress) { mu.Lock(); seen = append(seen, p); mu.Unlock() }))
	st := r.Status(ctx)
	if st.Data != DataValid || !st.Standby || st.State != StateStopped {
		t.Fatalf("after the clone: %+v", st)
	}
	last := Progress{}
	for _, p := range seen {
		if p.Done < last.Done {
			t.Errorf("progress went back from %+v to %+v", last, p)
		}
		last = p
	}
	if len(seen) == 0 || last.Total < 10<<20 || last.Done < last.Total {
		t.Errorf("progress ended as %+v after %d reports", last, len(seen))
	}
	auto, err := os.ReadFile(r.dataPath("postgresql.auto.conf"))
	must(t, err)
	if bytes.Contains(auto, []byte("nowhere")) || !bytes.Contains(auto, []byte("work_mem")) {
		t.Errorf("postgresql.auto.conf:\n%s", auto)
	}
	must(t, r.StartStandby(ctx, p.upstreamSlot("r1")))
	r.await("streaming", streams)
	p.catchUp(r)
	if got := r.text("SELECT count(*) FROM t"); got != "20000" {
		t.Errorf("%s rows", got)
	}
	if got := p.text("SELECT active FROM pg_replication_slots WHERE slot_name = 'r1'"); got != "true" {
		t.Errorf("slot active: %s", got)
	}
	r.noSecrets()
}

// noSecrets looks for files of a program's that stayed, and for files that
// others can read.
func (f *fixture) noSecrets() {
	f.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(f.options.PassFile))
	must(f.t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "pgpass.") {
			f.t.Errorf("%s stayed", e.Name())
		}
		if e.Name() == "pgpass" {
			fi, err := e.Info()
			must(f.t, err)
			if fi.Mode().Perm() != 0o600 {
				f.t.Errorf("%s has mode %v", e.Name(), fi.Mode())
			}
		}
	}
}

func TestCloneRefusesWhatIsNotItsOwn(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	ctx := testContext(t)
	foreign := newServer(t, "r1", withRewind)
	must(t, os.MkdirAll(foreign.options.DataDir, 0o700))
	must(t, os.WriteFile(foreign.dataPath("thesis.txt"), []byte("x"), 0o600))
	if err := foreign.Clone(ctx, p.upstream(), nil); err == nil || !strings.Contains(err.Error(), "isn't empty") {
		t.Errorf("over foreign files: %v", err)
	}
	if _, err := os.Stat(foreign.dataPath("thesis.txt")); err != nil {
		t.Error(err)
	}
	valid := newServer(t, "r2", withRewind)
	testenv.CopyCluster(t, valid.options.DataDir)
	if err := valid.Clone(ctx, p.upstream(), nil); err == nil || !strings.Contains(err.Error(), "isn't empty") {
		t.Errorf("over a data directory: %v", err)
	}
	if st := valid.Status(ctx); st.Data != DataValid {
		t.Errorf("it is %s now", st.Data)
	}
	if err := p.Clone(ctx, p.upstream(), nil); !errors.Is(err, ErrRunning) {
		t.Errorf("over a running server: %v", err)
	}
}

func TestCloneBesideDotFilesAndLostFound(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	ctx := testContext(t)
	r := newServer(t, "r1", withRewind)
	must(t, os.MkdirAll(r.dataPath("lost+found"), 0o755))
	must(t, os.Chmod(r.options.DataDir, 0o755))
	must(t, os.WriteFile(r.dataPath(".keep"), nil, 0o600))
	must(t, r.Clone(ctx, p.upstreamSlot("r1"), nil))
	for _, name := range []string{".keep", "lost+found", "PG_VERSION"} {
		if _, err := os.Stat(r.dataPath(name)); err != nil {
			t.Error(err)
		}
	}
	must(t, r.StartStandby(ctx, p.upstreamSlot("r1")))
	r.await("streaming", streams)
}

func TestCloneCancelledLeavesMark(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	p.sql("CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i")
	r := newServer(t, "r1", func(o *Options, s *Settings) { s.CloneArgs = []string{"--max-rate=2M"} })
	ctx, cancel := context.WithCancelCause(testContext(t))
	why := errors.New("reinit was called off")
	err := r.Clone(ctx, p.upstreamSlot("r1"), func(p Progress) { cancel(why) })
	if !errors.Is(err, why) {
		t.Fatalf("got %v", err)
	}
	if state, err := r.dataState(); state != DataIncomplete || err != nil {
		t.Fatalf("%s %v", state, err)
	}
	if err := r.StartStandby(testContext(t), p.upstreamSlot("r1")); err == nil {
		t.Error("an incomplete directory was started")
	}
	r.settings.CloneArgs = nil
	must(t, r.Configure(r.settings))
	must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
	if entries, _ := filepath.Glob(r.dataPath("clone-*")); len(entries) > 0 {
		t.Errorf("remains of the first clone: %v", entries)
	}
	must(t, r.StartStandby(testContext(t), p.upstreamSlot("r1")))
	r.await("streaming", streams)
}

// TestClonerProcess is no test: it clones in a process of its own that another
// test kills.
func TestClonerProcess(t *testing.T) {
	dir := os.Getenv("CLONER_DIR")
	if dir == "" {
		return
	}
	port, err := strconv.Atoi(os.Getenv("CLONER_PORT"))
	must(t, err)
	s, err := New(Options{Name: "r1", Scope: "demo", DataDir: dir, BinDir: testenv.PostgresBin(t), PassFile: filepath.Join(filepath.Dir(dir), "pgpass")},
		Settings{Listen: "127.0.0.1:1", Replication: Credentials{Username: "replicator", Password: `re\p:li`}, CloneArgs: []string{"--max-rate=2M"}})
	must(t, err)
	if command := os.Getenv("CLONER_COMMAND"); command != "" {
		must(t, s.Configure(Settings{Listen: "127.0.0.1:1", CloneMethods: []Method{{Name: "command", Command: command, NoParams: true, NoLeader: true}}}))
		port = 0
	}
	up := Upstream{Name: "p1", Host: "127.0.0.1", Port: port}
	if port == 0 {
		up = Upstream{}
	}
	must(t, s.Clone(t.Context(), up, func(Progress) { fmt.Println("PROGRESS") }))
}

func TestKilledCloneIsIncomplete(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	p.sql("CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i")
	for _, who := range []string{"agent", "pg_basebackup"} {
		t.Run(who, func(t *testing.T) {
			r := newServer(t, "r1", withRewind)
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestClonerProcess$", "-test.v")
			cmd.Env = append(os.Environ(), "CLONER_DIR="+r.options.DataDir, "CLONER_PORT="+strconv.Itoa(p.port))
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			progress := make(chan struct{}, 1)
			cmd.Stdout = lineFunc(func(line string) {
				if strings.Contains(line, "PROGRESS") {
					select {
					case progress <- struct{}{}:
					default:
					}
				}
			})
			must(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			select {
			case <-progress:
			case <-time.After(limit):
				t.Fatal("no progress")
			}
			if who == "agent" {
				must(t, cmd.Process.Kill())
			} else {
				for _, pid := range programs(t, r.options.DataDir) {
					must(t, syscall.Kill(pid, syscall.SIGKILL))
				}
			}
			// pg_basebackup's child may live on: the directory never looks good.
			_ = cmd.Process.Kill() // pg_basebackup has a second try
			_ = cmd.Wait()
			if state, err := r.dataState(); state != DataIncomplete || err != nil {
				t.Fatalf("%s %v", state, err)
			}
			must(t, r.Clone(testContext(t), p.upstreamSlot("r1"), nil))
			if state, err := r.dataState(); state != DataValid || err != nil {
				t.Fatalf("%s %v", state, err)
			}
			if left := programs(t, r.options.DataDir); len(left) > 0 {
				t.Errorf("processes %v of the first clone are left", left)
			}
		})
	}
}

type lineFunc func(string)

func (f lineFunc) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		f(line)
	}
	return len(b), nil
}

// programs are the processes whose command line has that directory.
func programs(t *testing.T, dir string) []int {
	t.Helper()
	uid, err := owner("/proc/self")
	must(t, err)
	all, err := pids(uid)
	must(t, err)
	return slices.DeleteFunc(all, func(pid int) bool {
		return !strings.Contains(title(pid), "pg_basebackup") || !strings.Contains(title(pid), dir)
	})
}

func TestCloneSecretsStayOutOfArgumentsAndErrors(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.Replication.Options = map[string]string{"sslpassword": "the passphrase"}
		s.CloneMethods = []Method{{Name: "show", Command: `sh -c 'cat /proc/$PPID/cmdline /proc/self/cmdline; env; echo "$@"; cat "$PGPASSFILE" >/dev/null && exit 3' sh`, Args: []string{"--mine=1"}}}
	})
	err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
	for _, secret := range []string{r.settings.Replication.Password, "the passphrase"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %v", secret, err)
		}
	}
	for _, want := range []string{"--scope=demo", "--role=replica", "--datadir=" + r.options.DataDir, "--connstring=dbname=postgres user=replicator", "--mine=1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	r.noSecrets()
}

func TestCloneMethodsInOrder(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	ctx := testContext(t)
	r := newServer(t, "r1", func(o *Options, s *Settings) {
		withRewind(o, s)
		s.CloneMethods = []Method{{Name: "broken", Command: "sh -c 'echo remains > " + o.DataDir + "/remains; exit 1'", NoParams: true}, {Name: basebackup}}
	})
	must(t, r.Clone(ctx, p.upstreamSlot("r1"), nil))
	if _, err := os.Stat(r.dataPath("remains")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the first method left is there: %v", err)
	}
	must(t, r.StartStandby(ctx, p.upstreamSlot("r1")))
	r.await("streaming", streams)

	alone := newServer(t, "r2", func(o *Options, s *Settings) {
		s.CloneMethods = []Method{{Name: basebackup}, {Name: "copy", NoLeader: true, NoParams: true,
			Command: fmt.Sprintf("sh -c 'cp -a %s/. %s && rm -f %s/postmaster.pid'", p.options.DataDir, o.DataDir, o.DataDir)}}
	})
	must(t, alone.Clone(ctx, Upstream{}, nil))
	if st := alone.Status(ctx); st.Data != DataValid || !st.Standby {
		t.Errorf("after a copy without a leader: %+v", st)
	}
}

func TestCloneOptions(t *testing.T) {
	p := newReplicable(t, "p1", nil)
	for _, arg := range []string{"--format=tar", "--form=tar", "--pgdata=/tmp/x", "--wal-method=none", "-Ft", "--password", "--compress=gzip", "--target=blackhole", "--"} {
		r := newServer(t, "r1", func(o *Options, s *Settings) { s.CloneArgs = []string{arg} })
		if err := r.Clone(testContext(t), p.upstreamSlot("r1"), nil); err == nil || !strings.Contains(err.Error(), "pg_basebackup") {
			t.Errorf("%s: %v", arg, err)
		}
		if state, err := r.dataState(); state != DataEmpty || err != nil {
			t.Errorf("%s: %s %v", arg, state, err)
		}
	}
	wal := filepath.Join(testenv.ShortTempDir(t), "wal")
	r := newServer(t, "r2", func(o *Options, s *Settings) { s.CloneArgs = []string{"--waldir=" + wal, "--checkpoint=fast"} })
	ctx := testContext(t)
	must(t, r.Clone(ctx, p.upstreamSlot("r2"), nil))
	must(t, r.StartStandby(ctx, p.upstreamSlot("r2")))
	r.await("streaming", streams)
	if target, err := os.Readlink(r.dataPath("pg_wal")); target != wal || err != nil {
		t.Errorf("pg_wal leads to %q: %v", target, err)
	}
}
