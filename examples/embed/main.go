// Command embed is a program of somebody else's that keeps a PostgreSQL cluster
// highly available: one copy runs beside each server. Three on one machine, each
// in a terminal of its own, with an etcd on its usual port:
//
//	go build -o /tmp/embed ./examples/embed
//	/tmp/embed -name a -data /tmp/a/data -listen 127.0.0.1:5441 -api 127.0.0.1:8441
//	/tmp/embed -name b -data /tmp/b/data -listen 127.0.0.1:5442 -api 127.0.0.1:8442
//	/tmp/embed -name c -data /tmp/c/data -listen 127.0.0.1:5443 -api 127.0.0.1:8443
//
// The folder above the data directory must be there. Ctrl-C hands over and stops
// the server; kill -9 shows what happens else.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/rest"
)

var (
	name      = flag.String("name", "a", "name of this member, of no other")
	scope     = flag.String("scope", "embed-example", "name of the cluster")
	data      = flag.String("data", "/tmp/a/data", "data directory; it is made if it isn't there")
	bin       = flag.String("bin", "/usr/lib/postgresql/15/bin", "folder with PostgreSQL's programs")
	listen    = flag.String("listen", "127.0.0.1:5441", "address and port for PostgreSQL")
	api       = flag.String("api", "127.0.0.1:8441", "address and port that the other members ask this one at")
	endpoints = flag.String("endpoints", "127.0.0.1:2379", "etcd servers, separated by commas")
)

func main() {
	fence.Main() // a copy of this program is the guard, and goes no further
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, slog.Default().With("member", *name)); err != nil {
		log.Fatal(err)
	}
}

// run opens what an agent stands on: a store, a server, the other members.
func run(ctx context.Context, log *slog.Logger) error {
	store, err := etcd.Open(etcd.Options{
		Endpoints: strings.Split(*endpoints, ","), Path: dcs.Path{Scope: *scope}, Name: *name, Logger: log,
	})
	if err != nil {
		return err
	}
	defer store.Close()

	server, err := postgres.New(postgres.Options{
		Name: *name, Scope: *scope, DataDir: *data, BinDir: *bin, PassFile: *data + ".pgpass", Logger: log,
	}, postgres.Settings{
		Listen:      *listen,
		Superuser:   postgres.Credentials{Username: "postgres", Password: "example"},
		Replication: postgres.Credentials{Username: "replicator", Password: "example"},
		HBA:         []string{"host all all samenet scram-sha-256", "host replication replicator samenet scram-sha-256"},
		Parameters:  map[string]string{"unix_socket_directories": filepath.Dir(*data)},
		UseSlots:    true, UseRewind: true,
	})
	if err != nil {
		return err
	}
	defer server.Close()

	peers, err := rest.NewClient(rest.ClientOptions{})
	if err != nil {
		return err
	}
	defer peers.Close()
	return serve(ctx, store, server, peers, log)
}

// serve keeps the server in its place until ctx ends.
func serve(ctx context.Context, store dcs.DCS, server *postgres.Server, peers *rest.Client, log *slog.Logger) error {
	var group sync.WaitGroup
	defer group.Wait()

	// README:begin
	guard := fence.Options{DataDir: *data, Logger: log}
	notes, err := ha.NewFiles(guard, *name)
	if err != nil {
		return err
	}
	agent, err := ha.New(ha.Config{
		Name: *name, Scope: *scope, DCS: store, PostgreSQL: server, Peers: peers, Notes: notes, Known: ha.NewKnownFile(*data),
		Fencing: ha.Fencing{Connect: func(ctx context.Context) (ha.Fence, error) { return fence.Connect(ctx, guard) }},
		ConnURL: "postgres://" + *listen + "/postgres", APIURL: "http://" + *api + "/patroni",
		Settings: ha.DefaultSettings(), NewCluster: []byte(`{"loop_wait": 5}`),
		Logger: log,
		Hooks: ha.Hooks{
			Server: func(e ha.Event, role string) { log.Info("PostgreSQL: " + string(e) + " as " + role) },
			// What only the leader's program may do ends with this context, before the lease does.
			Leading: func(ctx context.Context) { group.Go(func() { lead(ctx, log) }) },
			Cycle:   func(d ha.Decision) { log.Debug(d.Reason, "rule", d.Rule, "actions", d.Actions) },
		},
	})
	// README:end
	if err != nil {
		return err
	}

	answers, err := rest.New(rest.Options{
		Agent: agent, Peers: peers, Name: *name, Scope: *scope, Listen: *api, Logger: log,
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		failed <- answers.Serve(serving)
		agent.Shutdown() // nobody elects a member that can't be asked
	}()

	// A signal makes the leader hand over. Ending Run's context instead would
	// leave PostgreSQL to its guard and to the next start of this program.
	defer context.AfterFunc(ctx, agent.Shutdown)()
	err = agent.Run(context.Background())
	stop()
	return errors.Join(err, <-failed)
}

// lead stands for whatever your program does on the leader alone.
func lead(ctx context.Context, log *slog.Logger) {
	log.Info("leads")
	<-ctx.Done()
	log.Info("leads no more")
}
