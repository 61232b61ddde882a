// Command instance makes a PostgreSQL server in a temporary folder, starts it,
// writes something, shows its status, and stops it:
//
//	go run ./examples/instance
//
// It needs PostgreSQL's programs, and a user who isn't root, as they do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/regent-ha/regent/postgres"
)

func main() {
	bin := flag.String("bin", findPrograms(), "folder with initdb, postgres and the others; empty: PATH")
	listen := flag.String("listen", "127.0.0.1:54329", "address and port for the server")
	flag.Parse()
	if os.Getuid() == 0 {
		log.Fatal("PostgreSQL refuses to run as root: start this as another user")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *bin, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, bin, listen string) (err error) {
	dir, err := os.MkdirTemp("", "instance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	server, err := postgres.New(postgres.Options{
		Name:     "instance",
		DataDir:  filepath.Join(dir, "data"),
		BinDir:   bin,
		PassFile: filepath.Join(dir, "pgpass"),
	}, postgres.Settings{
		Listen:     listen,
		Superuser:  postgres.Credentials{Username: "postgres", Password: "example"},
		HBA:        []string{"host all all 127.0.0.1/32 scram-sha-256"},
		Parameters: map[string]string{"unix_socket_directories": dir},
	})
	if err != nil {
		return err
	}
	defer server.Close() // which alone would leave PostgreSQL running

	if err := server.Bootstrap(ctx); err != nil {
		return err
	}
	fmt.Println("made", filepath.Join(dir, "data"))

	// Nobody else can take this server over, so it needs no leave to take writes.
	if err := server.StartPrimary(ctx, postgres.NoLease()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, halt(server)) }()
	if err := awaitRunning(ctx, server); err != nil {
		return err
	}
	return write(ctx, listen)
}

// awaitRunning returns when the server takes writes. A start is over when the
// postmaster was forked; recovery may take any time, and the server may die of it.
func awaitRunning(ctx context.Context, server *postgres.Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := server.AwaitPrimary(ctx); err != nil {
		return fmt.Errorf("%w: %s", err, server.Status(ctx).Problem)
	}
	show(server.Status(ctx))
	return nil
}

func write(ctx context.Context, listen string) error {
	conn, err := pgx.Connect(ctx, "postgres://postgres:example@"+listen+"/postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var greeting string
	if _, err = conn.Exec(ctx, "CREATE TABLE greeting AS SELECT 'hello, '||current_user AS text"); err == nil {
		err = conn.QueryRow(ctx, "SELECT text FROM greeting").Scan(&greeting)
	}
	if err != nil {
		return err
	}
	fmt.Println("wrote", greeting)
	return nil
}

// halt stops the server also when we were interrupted.
func halt(server *postgres.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx, postgres.Stop{Mode: postgres.StopFast}); err != nil {
		return err
	}
	show(server.Status(ctx))
	return nil
}

func show(s postgres.Status) {
	fmt.Printf("%s, role %q, version %d, system %s, timeline %d, WAL at %s\n",
		s.State, s.Role, s.ServerVersion, s.SystemID, s.Timeline, s.Location)
}

// findPrograms knows where Debian keeps what isn't in PATH.
func findPrograms() string {
	if _, err := exec.LookPath("initdb"); err == nil {
		return ""
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(dirs) == 0 {
		return ""
	}
	return dirs[len(dirs)-1]
}
