// Command pg_basebackup stands in, in tests, for PostgreSQL's program of that name
// where only an older one is installed, which doesn't take newer servers. It
// knows the options that package postgres and most of its tests use, and servers
// from 15 on. Unlike the real one it has the server send the WAL at the backup's
// end (--wal-method=fetch), and doesn't wait for the disk.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pg_basebackup: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pg_basebackup", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	dir := f.String("pgdata", "", "the folder to make the copy in")
	f.StringVar(dir, "D", "", "")
	conninfo := f.String("dbname", "", "the server")
	f.StringVar(conninfo, "d", "", "")
	checkpoint := f.String("checkpoint", "spread", "fast or spread")
	f.StringVar(checkpoint, "c", "spread", "")
	for _, without := range []string{"wal-method", "X", "slot"} { // the slot keeps the WAL already
		f.String(without, "", "")
	}
	for _, without := range []string{"progress", "no-password", "N"} {
		f.Bool(without, false, "")
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if *dir == "" || f.NArg() > 0 {
		return fmt.Errorf("--pgdata names the folder, and there are no other arguments: got %q", args)
	}
	conn, err := dial(ctx, *conninfo)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return backUp(ctx, conn, *checkpoint, &copied{dir: *dir})
}
