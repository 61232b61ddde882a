// Command cmd measures clusters: see make bench and docs/benchmark.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regent-ha/regent/internal/bench"
	"github.com/regent-ha/regent/internal/lab"
)

func main() {
	lab.Main()
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = 1
	}
	os.Exit(code)
}

func run() (int, error) {
	o := bench.Options{Out: os.Stdout}
	var settings, events, peer, store string
	flag.StringVar(&o.Regent, "regent", "", "path of the daemon, which others may run too")
	flag.IntVar(&o.Rounds, "n", 3, "how often each event is measured")
	flag.StringVar(&settings, "settings", "5/1/1", "ttl/loop_wait/retry_timeout of the daemon, several separated by commas; none: it isn't measured")
	flag.StringVar(&events, "events", "", "only these, separated by commas: "+strings.Join(bench.EventNames(), ", "))
	flag.StringVar(&store, "store", "etcd", "etcd, etcd2, regent-store, consul, zookeeper, kubernetes or kubernetes-configmaps")
	flag.StringVar(&peer, "peer", "", "patroni: measure it too")
	flag.BoolVar(&o.Floor, "floor", false, "measure the same steps without any agent too")
	flag.DurationVar(&o.Idle, "idle", time.Minute, "how long idle agents are watched; 0: not at all")
	flag.DurationVar(&o.Checks, "checks", 4*time.Second, "how long each kind of health check is sent; 0: not at all")
	flag.BoolVar(&o.Debug, "debug", false, "agents log in detail")
	flag.StringVar(&o.Keep, "keep", "", "folder for the logs")
	flag.StringVar(&o.PostgresBin, "postgres-bin", "/usr/lib/postgresql/15/bin", "folder with PostgreSQL's programs")
	flag.Parse()
	if os.Geteuid() == 0 {
		return bench.AsUser("postgres")
	}
	found, err := lab.FindStore(store, filepath.Dir(o.Regent))
	if err != nil {
		return 0, err
	}
	o.Store = found.StoreKind
	for text := range strings.FieldsFuncSeq(settings, func(r rune) bool { return r == ',' }) {
		s, err := bench.ParseSettings(text)
		if err != nil {
			return 0, err
		}
		o.Settings = append(o.Settings, s)
	}
	if events != "" {
		o.Events = strings.Split(events, ",")
	}
	if peer != "" {
		if o.Peer, err = findPeer(peer); err != nil {
			return 0, err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return 0, bench.Run(ctx, o)
}

// findPeer is the path of a peer's program.
func findPeer(name string) (string, error) {
	if filepath.Base(name) != "patroni" {
		return "", fmt.Errorf("peer %q: patroni, or its path, is possible", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no patroni found: apt-get install patroni python3-etcd python3-psycopg2")
	}
	return path, nil
}
