package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/version"
)

// removedStatus is the exit status of a member that was removed: a service
// manager should leave it ended.
const removedStatus = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := command(os.Stdout, os.Stderr).ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "regent-store:", err)
	if errors.Is(err, errRemoved) {
		os.Exit(removedStatus)
	}
	os.Exit(1)
}

func command(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "regent-store",
		Short:         "A small etcd for clusters that have no store yet",
		Version:       "etcd " + version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(initCommand(), runCommand(stdout, stderr), memberCommand(), snapshotCommand())
	return root
}

func initCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "init --data-dir DIR",
		Short: "Make an empty directory a member's, for run: of a new store, or with --join of one that runs",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return initialize(o) },
	}
	o.place(c.Flags())
	return c
}

func runCommand(stdout, stderr io.Writer) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "run --data-dir DIR",
		Short: "Run one member until SIGTERM",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o, stdout, stderr) },
	}
	o.flags(c.Flags())
	return c
}
