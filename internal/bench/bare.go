package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// barePoll is how often the bare steps look whether the server is as far.
const barePoll = 2 * time.Millisecond

// bare is a PostgreSQL server that nobody looks after. It listens on a socket in
// its own directory alone.
type bare struct {
	bin, dir, data string
	orders         chan func() // run on the thread that all of its processes are children of
	cmd            *exec.Cmd
	ended          chan struct{}
	conn           *pgx.Conn
}

func newBare(bin, dir, name string) *bare {
	b := &bare{bin: bin, dir: filepath.Join(dir, name), orders: make(chan func())}
	b.data = filepath.Join(b.dir, "data")
	go func() {
		// A parent death signal comes when the parent's thread ends.
		runtime.LockOSThread()
		for do := range b.orders {
			do()
		}
	}()
	return b
}

func (b *bare) initialize(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	if err := b.run(ctx, "initdb", "-D", b.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums"); err != nil {
		return err
	}
	conf, err := os.OpenFile(filepath.Join(b.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, "listen_addresses = ''\nmax_connections = 50\nwal_log_hints = on\n")
	return errors.Join(err, conf.Close())
}

// copy makes the server a standby of primary.
func (b *bare) copy(ctx context.Context, primary *bare) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	// A backup of an idle server may ask for WAL that isn't flushed yet, and fail.
	const tries = 3
	var err error
	for range tries {
		if err = b.run(ctx, "pg_basebackup", "-D", b.data, "-h", primary.dir, "-U", "postgres", "-X", "stream", "-c", "fast", "-R"); err == nil {
			return nil
		}
	}
	return err
}

func (b *bare) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, program), args...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bench: %s: %w: %s", program, err, out)
	}
	return nil
}

// launch forks the postmaster.
func (b *bare) launch() error {
	cmd := exec.Command(filepath.Join(b.bin, "postgres"), "-D", b.data, "-k", b.dir)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGQUIT}
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	b.orders <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	b.cmd, b.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(b.ended)
	return nil
}

// serve returns when the server answers and, if it is to, takes writes. A
// postmaster that ends meanwhile is started again: children of a killed one may
// still be there.
func (b *bare) serve(ctx context.Context, writable bool) error {
	return until(ctx, "the server to answer", func() error {
		if b.gone() {
			if err := b.launch(); err != nil {
				return err
			}
		}
		var recovery bool
		err := b.query(ctx, "select pg_is_in_recovery()", &recovery)
		if err == nil && writable && recovery {
			err = errors.New("it takes no writes")
		}
		return err
	})
}

func (b *bare) promote(ctx context.Context) error {
	if err := b.exec(ctx, "select pg_promote(false)"); err != nil {
		return err
	}
	return b.serve(ctx, true)
}

func (b *bare) gone() bool {
	if b.cmd == nil {
		return true
	}
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// stop ends the server in order.
func (b *bare) stop() error {
	b.disconnect()
	if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("bench: stop: %w", err)
	}
	<-b.ended
	return nil
}

// kill ends the postmaster.
func (b *bare) kill() {
	b.cmd.Process.Kill()
	<-b.ended
}

func (b *bare) close() {
	b.disconnect()
	if !b.gone() {
		b.cmd.Process.Signal(syscall.SIGQUIT)
		<-b.ended
	}
	close(b.orders)
}

func (b *bare) query(ctx context.Context, sql string, into ...any) (err error) {
	if b.conn == nil {
		if b.conn, err = pgx.Connect(ctx, "host="+b.dir+" user=postgres dbname=postgres sslmode=disable"); err != nil {
			return err
		}
	}
	if err := b.conn.QueryRow(ctx, sql).Scan(into...); err != nil {
		b.disconnect()
		return err
	}
	return nil
}

func (b *bare) exec(ctx context.Context, sql string) error {
	if err := b.serve(ctx, false); err != nil {
		return err
	}
	_, err := b.conn.Exec(ctx, sql)
	return err
}

func (b *bare) disconnect() {
	if b.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		b.conn.Close(ctx)
		b.conn = nil
	}
}

// until is lab.Until with a finer grain.
func until(ctx context.Context, what string, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("bench: wait for %s: %w", what, err)
		case <-time.After(barePoll):
		}
	}
}
