// Command cmd puts many clusters on one etcd: see make thousand and
// docs/backends/load.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/regent-ha/regent/internal/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	o := load.Options{Out: os.Stdout}
	flag.IntVar(&o.Clusters, "clusters", 1000, "how many")
	flag.IntVar(&o.Members, "members", 3, "of each cluster; one of them leads")
	flag.DurationVar(&o.TTL, "ttl", 30*time.Second, "of leases and members' entries")
	flag.DurationVar(&o.LoopWait, "loop-wait", 10*time.Second, "from one cycle of a member to the next")
	flag.DurationVar(&o.For, "for", time.Minute, "how long each phase is measured")
	flag.BoolVar(&o.Writes, "writes", false, "a second phase, in which every position changes in every cycle")
	flag.StringVar(&o.Dir, "dir", "", "a folder for etcd's data, which stays; by default one below TMPDIR that goes")
	flag.Parse()
	if o.Etcd, err = exec.LookPath("etcd"); err != nil {
		return errors.New("no etcd found: apt-get install etcd-server")
	}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "regent-load-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	_, err = load.Run(ctx, o)
	return err
}
