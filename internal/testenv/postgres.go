package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Postgres is a bare PostgreSQL for one test: nothing manages it but the test.
// It listens on the loopback address with trust authentication, for user
// "postgres" and for replication.
type Postgres struct {
	Bin  string // the folder with its programs
	Dir  string // the data directory
	Port int

	tb  testing.TB
	cmd *exec.Cmd
	log string
}

var clusters struct {
	sync.Mutex
	made map[string]string // by the folder with the programs
}

// NewPostgres makes a data directory in a temporary folder. All tests of one
// binary share one run of initdb, of which each gets a copy; they have one
// system identifier then.
func NewPostgres(tb testing.TB) *Postgres {
	tb.Helper()
	return newPostgres(tb, PostgresBin(tb))
}

// NewPostgresOf is NewPostgres with another major version.
func NewPostgresOf(tb testing.TB, major int) *Postgres {
	tb.Helper()
	return newPostgres(tb, MajorBin(tb, major))
}

func newPostgres(tb testing.TB, bin string) *Postgres {
	tb.Helper()
	p := &Postgres{Bin: bin, Dir: filepath.Join(ShortTempDir(tb), "data"), Port: Port(tb), tb: tb}
	p.log = p.Dir + ".log"
	copyCluster(tb, bin, p.Dir)
	conf := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\n", p.Port, filepath.Dir(p.Dir))
	p.Append("postgresql.conf", conf)
	return p
}

// ShortTempDir is tb.TempDir for paths that have to be short, as those of
// sockets have.
func ShortTempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "t")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// CopyCluster makes dir a fresh data directory, as initdb would, in less time.
func CopyCluster(tb testing.TB, dir string) {
	tb.Helper()
	copyCluster(tb, PostgresBin(tb), dir)
}

func copyCluster(tb testing.TB, bin, dir string) {
	tb.Helper()
	clusters.Lock()
	defer clusters.Unlock()
	template, ok := clusters.made[bin]
	if !ok {
		parent, err := os.MkdirTemp("", "cluster")
		if err != nil {
			tb.Fatalf("testenv: %v", err)
		}
		template = filepath.Join(parent, "data")
		run(tb, filepath.Join(bin, "initdb"), "-D", template, "-N", "-A", "trust", "-U", "postgres", "--data-checksums", "-E", "UTF8", "--locale=C.UTF-8")
		if clusters.made == nil {
			clusters.made = make(map[string]string)
		}
		clusters.made[bin] = template
	}
	run(tb, "cp", "-a", template, dir)
}

// Append adds lines to a file of the data directory.
func (p *Postgres) Append(file, lines string) {
	p.tb.Helper()
	f, err := os.OpenFile(filepath.Join(p.Dir, file), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		p.tb.Fatalf("testenv: %v", err)
	}
	if _, err := f.WriteString(lines); err != nil {
		p.tb.Fatalf("testenv: %v", err)
	}
	if err := f.Close(); err != nil {
		p.tb.Fatalf("testenv: %v", err)
	}
}

// Start starts it and waits until it takes connections. It ends with the test,
// or with the test's process.
func (p *Postgres) Start(args ...string) {
	p.tb.Helper()
	log, err := os.Create(p.log)
	if err != nil {
		p.tb.Fatalf("testenv: %v", err)
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(p.Bin, "postgres"), append([]string{"-D", p.Dir}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGQUIT}
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatalf("testenv: %v", err)
	}
	cmd := p.cmd
	p.tb.Cleanup(func() { p.end(cmd, syscall.SIGQUIT) })
	Eventually(p.tb, 30*time.Second, "PostgreSQL to take connections", func() error {
		if exec.Command(filepath.Join(p.Bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", fmt.Sprint(p.Port)).Run() != nil {
			return fmt.Errorf("its log:\n%s", p.Log())
		}
		return nil
	})
}

// Stop stops it in order.
func (p *Postgres) Stop() {
	p.tb.Helper()
	p.end(p.cmd, syscall.SIGINT)
}

// Log is what it has written since it was started last.
func (p *Postgres) Log() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// PID is the postmaster's.
func (p *Postgres) PID() int { return p.cmd.Process.Pid }

func (p *Postgres) end(cmd *exec.Cmd, sig syscall.Signal) {
	if cmd == nil || cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = cmd.Process.Signal(sig)
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		p.tb.Errorf("testenv: stop PostgreSQL: %v", err)
	}
}

// DSN leads to it.
func (p *Postgres) DSN() string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres", p.Port)
}

// Query runs SQL with psql and returns what it prints, unaligned, without titles.
func (p *Postgres) Query(sql string) string {
	p.tb.Helper()
	return run(p.tb, filepath.Join(p.Bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", p.DSN(), "-c", sql)
}

func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = os.TempDir() // the checkout may be where only root gets, which PostgreSQL's programs complain about
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("testenv: %s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return strings.TrimRight(string(out), "\n")
}
