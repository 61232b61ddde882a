package main

import (
	"context"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/internal/demo"
	"github.com/regent-ha/regent/internal/lab"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a cluster of three on this machine, to play with and to break",
		Long: `Starts a store, three daemons and three PostgreSQL servers in a temporary
directory, and a client that writes all the time. At a terminal it shows them
until Ctrl-C. With --check it kills, freezes and cuts off one thing after the
other, prints what the client saw, and fails if a promise was broken.
Nothing is left behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			o.Out = cmd.OutOrStdout()
			return demo.Run(ctx, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Check, "check", false, "a tour that ends by itself; the exit code is 1 if a promise was broken")
	f.BoolVar(&o.Keep, "keep", false, "leave the directory with logs and data behind")
	f.StringVar(&o.Dir, "dir", "", "an empty directory with a short path, which is left behind (default: a temporary one)")
	f.BoolVar(&o.Temporary, "temporary", false, "the directory was made for this run")
	f.Lookup("temporary").Hidden = true
	f.StringVar(&o.PostgresBin, "postgres-bin", "", "folder with PostgreSQL's programs (default: the newest that is installed)")
	f.StringVar(&o.Store, "store", "", "what the cluster is kept in: "+strings.Join(lab.StoreNames(), ", ")+" (default regent-store)")
	f.StringVar(&o.User, "user", "postgres", "whom root becomes, since PostgreSQL doesn't run as root")
	return c
}
