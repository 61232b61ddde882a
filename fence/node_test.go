package fence

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/testenv"
)

// node is a data directory of a real PostgreSQL and its guard.
type node struct {
	testing.TB
	Options
	bin  string
	port int
	sys  clock.Clock
}

var template struct {
	once sync.Once
	data string
	err  error
}

// initialised is a database to copy.
func initialised(bin string) (string, error) {
	template.once.Do(func() {
		dir, err := os.MkdirTemp("", "template-")
		if err != nil {
			template.err = err
			return
		}
		template.data = filepath.Join(dir, "data")
		out, err := exec.Command(filepath.Join(bin, "initdb"), "-D", template.data, "-A", "trust", "-U", "postgres", "-N", "--locale=C", "--wal-segsize=1").CombinedOutput()
		if err != nil {
			template.err = fmt.Errorf("initdb: %w: %s", err, out)
		}
	})
	return template.data, template.err
}

// newNode has a fresh database and no guard.
func newNode(tb testing.TB) *node {
	tb.Helper()
	bin := testenv.PostgresBin(tb)
	template, err := initialised(bin)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "n") // short: it holds sockets
	if err != nil {
		tb.Fatal(err)
	}
	n := &node{TB: tb, bin: bin, port: testenv.Port(tb), sys: clock.System(),
		Options: Options{DataDir: filepath.Join(dir, "data"), RunDir: filepath.Join(dir, "run"), RetryTimeout: 5 * time.Second}}
	if out, err := exec.Command("cp", "-a", template, n.DataDir).CombinedOutput(); err != nil {
		tb.Fatalf("copy the database: %v: %s", err, out)
	}
	n.write("postgresql.auto.conf", fmt.Sprintf(
		"port=%d\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\nfsync=off\nshared_buffers=8MB\n", n.port))
	tb.Cleanup(func() {
		n.end()
		if text, _ := os.ReadFile(filepath.Join(n.folder(), "guard.log")); strings.Contains(string(text), "DATA RACE") || strings.Contains(string(text), "goroutine ") {
			tb.Errorf("the guard crashed or raced:\n%s", text)
		}
		if tb.Failed() {
			for _, f := range []string{"../../data/server.log", "guard.log"} {
				text, err := os.ReadFile(filepath.Join(n.folder(), f))
				tb.Logf("%s: %v\n%s", f, err, text)
			}
		}
		os.RemoveAll(dir)
	})
	return n
}

func (n *node) folder() string {
	p, err := n.place()
	if err != nil {
		n.Fatal(err)
	}
	return string(p)
}

func (n *node) write(name, text string) {
	n.Helper()
	if err := os.WriteFile(filepath.Join(n.DataDir, name), []byte(text), 0o600); err != nil {
		n.Fatal(err)
	}
}

func (n *node) append(name, text string) {
	n.Helper()
	before, err := os.ReadFile(filepath.Join(n.DataDir, name))
	if err != nil {
		n.Fatal(err)
	}
	n.write(name, string(before)+text)
}

func (n *node) has(name string) bool {
	_, err := os.Stat(filepath.Join(n.DataDir, name))
	return err == nil
}

// end leaves no process of the node.
func (n *node) end() {
	eventually(n, "all guards are dead", func() bool {
		pids := n.guardPIDs()
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0
	})
	s := newScope(-1)
	if id, err := identify(n.DataDir); err == nil {
		s.include(id)
		s.killAll(n.withDefaults().Logger)
	}
}

// guardPIDs are those of all living guards, also of one whose files are gone.
func (n *node) guardPIDs() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && strings.TrimSpace(cmdline(pid)) == guardName+" "+n.DataDir {
			pids = append(pids, pid)
		}
	}
	return pids
}

// guardPID is the living guard's, or 0.
func (n *node) guardPID() int {
	text, _ := os.ReadFile(filepath.Join(n.folder(), "guard.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if _, err := readProcess(pid); err != nil || !strings.HasPrefix(cmdline(pid), guardName) {
		return 0
	}
	return pid
}

func (n *node) connect() *Guard {
	n.Helper()
	g, err := Connect(soon(n), n.Options)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { g.Close() })
	return g
}

func (n *node) now() clock.Instant { return n.sys.Now() }

// arm is one that asks for a fast shutdown and kills so far from now.
func (n *node) arm(number uint64, grant string, fast, kill time.Duration) Arm {
	now := n.now()
	return Arm{Number: number, Grant: grant, Fast: now.Add(fast), Kill: now.Add(kill)}
}

// command starts the server: as the primary on an arm, or (0) as a standby.
func (n *node) command(number uint64) Command {
	return Command{
		Path: filepath.Join(n.bin, "postgres"), Args: []string{"-D", n.DataDir}, Dir: n.DataDir,
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, Log: filepath.Join(n.DataDir, "server.log"),
		Writable: number > 0, Permit: Permit{Number: number, NotAfter: n.now().Add(time.Minute)},
	}
}

// lead arms and starts a primary that answers.
func (n *node) lead(g *Guard, a Arm) (pid int) {
	n.Helper()
	if err := g.Arm(soon(n), a); err != nil {
		n.Fatal(err)
	}
	pid, err := g.Launch(soon(n), n.command(a.Number))
	if err != nil {
		n.Fatal(err)
	}
	n.answers(false)
	return pid
}

// lives has a primary that answers under grant "A", on arm 1, for long.
func (n *node) lives(g *Guard) (pid int) {
	n.Helper()
	return n.lead(g, n.arm(1, "A", time.Hour, time.Hour))
}

// shorten arms grant "A" again.
func (n *node) shorten(g *Guard, number uint64, fast, kill time.Duration) Arm {
	n.Helper()
	a := n.arm(number, "A", fast, kill)
	if err := g.Arm(soon(n), a); err != nil {
		n.Fatal(err)
	}
	return a
}

// byHand starts a server past the guard.
func (n *node) byHand() int {
	n.Helper()
	cmd := exec.Command(filepath.Join(n.bin, "postgres"), "-D", n.DataDir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	log, err := os.OpenFile(filepath.Join(n.DataDir, "server.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		n.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		n.Fatal(err)
	}
	go cmd.Wait()
	return cmd.Process.Pid
}

func (n *node) dsn() string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable connect_timeout=2", n.port)
}

// answers waits until the server does, in or out of recovery.
func (n *node) answers(recovery bool) {
	n.Helper()
	eventually(n, fmt.Sprintf("the server answers, in recovery %v", recovery), func() bool {
		conn, err := pgx.Connect(soon(n), n.dsn())
		if err != nil {
			return false
		}
		defer conn.Close(context.Background())
		var got bool
		return conn.QueryRow(soon(n), "select pg_is_in_recovery()").Scan(&got) == nil && got == recovery
	})
}

func (n *node) exec(sql string) error {
	conn, err := pgx.Connect(soon(n), n.dsn())
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(soon(n), sql)
	return err
}

// left are the processes on the data directory.
func (n *node) left() int {
	s := newScope(-1)
	id, err := identify(n.DataDir)
	if err != nil {
		n.Fatal(err)
	}
	s.include(id)
	found, err := s.find()
	if err != nil {
		n.Fatal(err)
	}
	return len(found)
}

func (n *node) gone() {
	n.Helper()
	eventually(n, "nothing runs on the data directory", func() bool { return n.left() == 0 })
}

// state asks the guard as an observer.
func (n *node) state() State {
	n.Helper()
	s, err := ReadState(soon(n), n.Options)
	if err != nil {
		n.Fatal(err)
	}
	return s
}

// writers insert rows as fast as they can, reconnecting for ever, and remember
// when the last reply of success came.
type writers struct {
	last, count atomic.Int64
	stop        context.CancelFunc
	done        sync.WaitGroup
}

func (n *node) writers(number int) *writers {
	n.Helper()
	if err := n.exec("create table if not exists t (i bigint)"); err != nil {
		n.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{stop: cancel}
	for range number {
		w.done.Go(func() { w.write(ctx, n) })
	}
	n.Cleanup(w.end)
	eventually(n, "the writers write", func() bool { return w.count.Load() > 100 })
	return w
}

func (w *writers) write(ctx context.Context, n *node) {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, n.dsn())
		if err != nil {
			continue
		}
		for {
			if _, err := conn.Exec(ctx, "insert into t values (1)"); err != nil {
				break
			}
			at := int64(n.now())
			for old := w.last.Load(); old < at && !w.last.CompareAndSwap(old, at); old = w.last.Load() {
			}
			w.count.Add(1)
		}
		conn.Close(context.Background())
	}
}

func (w *writers) end() {
	w.stop()
	w.done.Wait()
}

func (w *writers) lastReply() clock.Instant { return clock.Instant(w.last.Load()) }
