package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/config"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/rest"
)

func runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run FILE",
		Short: "Run the agent with this configuration (patroni.yml)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			return run(cmd.Context(), path, os.Environ())
		},
	}
}

// daemon is one agent with all that it is wired to.
type daemon struct {
	path string
	env  []string
	log  *slog.Logger

	mu     sync.Mutex
	config *config.Config // as last loaded

	server  *postgres.Server
	agent   *ha.Agent
	dynamic *config.DynamicFile
}

func run(ctx context.Context, path string, env []string) error {
	if err := dropInherited(); err != nil {
		return err
	}
	c, warnings, err := config.Load(path, env)
	if err != nil {
		return err
	}
	if err := dropRoot(c.PostgreSQL.DataDir); err != nil {
		return err
	}
	log, closeLog, err := openLog(c.Log)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
	d := &daemon{path: path, env: env, log: log, config: c}
	return d.run(ctx)
}

func (d *daemon) run(ctx context.Context) error {
	c := d.config
	fencing := fence.Options{DataDir: c.PostgreSQL.DataDir, RunDir: c.RunDir, Logger: d.log}
	lock, err := fence.LockDataDir(fencing)
	if err != nil {
		return err
	}
	defer lock.Close()
	d.dynamic = config.NewDynamicFile(c.PostgreSQL.DataDir, d.log)
	defer d.dynamic.Close()
	effective, lastKnown, warnings, err := d.lastEffective()
	if err != nil {
		return err
	}
	missing, err := c.CheckPrograms(effective.PostgreSQL.UseRewind)
	for _, w := range append(warnings, missing...) {
		d.log.Warn("configuration: " + w.String())
	}
	if err != nil {
		return err
	}
	if err := c.CheckCertificate(); err != nil {
		return err
	}
	store, err := config.OpenDCS(ctx, c, c.Name, clock.System(), d.log)
	if err != nil {
		return err
	}
	defer store.Close()
	store.SetTTL(effective.Cluster.TTL)
	notes, err := ha.NewFiles(fencing, c.Name)
	if err != nil {
		return err
	}
	options := c.PostgreSQL
	options.Logger = d.log
	if d.server, err = postgres.New(options, effective.PostgreSQL); err != nil {
		return err
	}
	defer d.server.Close()
	peers, err := newPeers(c)
	if err != nil {
		return err
	}
	if err := nameIsFree(ctx, c, store, effective.Cluster.Timing().RequestTimeout(), peers, d.log); err != nil {
		return err
	}
	newCluster, err := newClusterConfig(c)
	if err != nil {
		return err
	}
	d.agent, err = ha.New(ha.Config{
		Name: c.Name, Scope: c.Scope, DCS: store, PostgreSQL: d.server, Peers: peers,
		Fencing: ha.Fencing{Mode: fence.Mode(c.Fence), Connect: func(ctx context.Context) (ha.Fence, error) {
			return fence.Connect(ctx, fencing)
		}},
		ConnURL: c.ConnURL(effective.PostgreSQL), APIURL: c.APIURL(), ProxyURL: c.ProxyURL(effective.PostgreSQL),
		Tags: c.Tags, Release: version,
		Settings: effective.Cluster, Floors: config.Floors(c), Reconfigure: d.reconfigure, NewCluster: newCluster, LastKnown: lastKnown,
		Notes: notes, Known: ha.NewKnownFile(options.DataDir), Hooks: ha.Hooks{Server: d.callback, Cycle: func(ha.Decision) { d.cycle(lock) }}, Logger: d.log,
	})
	if err != nil {
		return err
	}
	api, err := newAPI(c, d.agent, peers, d.log)
	if err != nil {
		return err
	}
	defer api.Close()
	return d.serve(ctx, api)
}

// serve runs the agent and its REST API until the agent has ended.
func (d *daemon) serve(ctx context.Context, api *rest.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	failed := make(chan error, 1)
	group.Go(func() {
		if err := api.Serve(ctx); err != nil {
			failed <- err
			d.agent.Shutdown()
		}
	})
	group.Go(func() { d.obeySignals(ctx) })
	err := d.agent.Run(ctx)
	select {
	case apiErr := <-failed:
		err = errors.Join(apiErr, err)
	default:
	}
	return err
}

// obeySignals reloads on SIGHUP and ends in order on SIGTERM and SIGINT.
func (d *daemon) obeySignals(ctx context.Context) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGHUP {
				d.reload()
			} else {
				d.log.Info("shutting down", "signal", s.String())
				d.agent.Shutdown()
			}
		}
	}
}

// reload reads the local configuration again. What can't be used leaves the old
// one in place.
func (d *daemon) reload() {
	c, warnings, err := config.Load(d.path, d.env)
	if err != nil {
		d.log.Error("the configuration can't be used, the old one stays", "error", err)
		return
	}
	for _, w := range warnings {
		d.log.Warn("configuration: " + w.String())
	}
	d.mu.Lock()
	for _, key := range config.Diff(d.config, c) {
		d.log.Warn("configuration: " + key + " has changed, which takes effect when the agent is started again")
	}
	d.config = c
	d.mu.Unlock()
	d.agent.Retag(c.Tags)
	d.agent.Reload()
}

// lastEffective is the configuration with the dynamic part as the store had it last, if
// that was kept, else as a new cluster would begin with.
func (d *daemon) lastEffective() (s config.Settings, lastKnown []byte, warnings []config.Warning, err error) {
	floors := config.Floors(d.config)
	values, lastKnown, err := d.dynamic.Read()
	if err == nil && values != nil {
		if s, warnings, err = d.config.Effective(values, floors); err == nil {
			return s, lastKnown, warnings, nil
		}
	}
	if err != nil {
		d.log.Warn("the dynamic configuration as it was last can't be used", "error", err)
	}
	s, warnings, err = d.config.Effective(nil, floors)
	return s, nil, warnings, err
}

// reconfigure merges the cluster's configuration with the local one.
func (d *daemon) reconfigure(dynamic map[string]any, floors ha.Floors) (ha.Settings, *postgres.Settings, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	effective, warnings, err := d.config.Effective(dynamic, floors)
	for _, w := range warnings {
		d.log.Warn("configuration: " + w.String())
	}
	if err != nil {
		return ha.Settings{}, nil, err
	}
	d.dynamic.Keep(dynamic)
	return effective.Cluster, &effective.PostgreSQL, nil
}

func (d *daemon) callback(e ha.Event, role string) {
	d.server.Callback(string(e), role)
}

// cycle does what is to be looked at again and again.
func (d *daemon) cycle(lock *fence.Lock) {
	d.follow(lock)
	// Another cluster's data directory isn't ours to write into.
	if r := d.agent.Report(); r.Server.SystemID != "" && r.Server.SystemID == r.Cluster.Initialize.SystemID {
		d.dynamic.Write()
	}
}

// follow keeps other agents away from a data directory that was made anew.
func (d *daemon) follow(lock *fence.Lock) {
	if err := lock.Follow(); err != nil {
		d.log.Error("another agent may work on the same data directory", "error", err)
	}
}

// newClusterConfig is what a cluster that this member makes begins with.
func newClusterConfig(c *config.Config) ([]byte, error) {
	if c.Bootstrap == nil {
		return nil, nil
	}
	text, err := json.Marshal(c.Bootstrap.NewCluster())
	if err != nil {
		return nil, fmt.Errorf("bootstrap.dcs: %w", err)
	}
	return text, nil
}
