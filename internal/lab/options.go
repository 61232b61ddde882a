package lab

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Options say what a lab is like.
type Options struct {
	// Regent is the path of the daemon. Required unless Agent is given.
	Regent string
	// Agent is a command that gets the path of a node's configuration as its
	// last argument: by default Regent and "run". Another program that reads the
	// same configuration can stand in.
	Agent []string
	// Store is what the cluster is kept in. Required.
	Store StoreKind
	// StoreMembers is how many servers it has: by default one. Several are for
	// etcd's kinds.
	StoreMembers int
	// PostgresBin is the folder with PostgreSQL's programs. Required.
	PostgresBin string

	// Nodes is how many: by default three. They are called a, b, c, ….
	Nodes int
	// Dir is where everything lies, a short path that no other lab uses. By
	// default a temporary directory that is removed at the end.
	Dir string
	// RemoveDir removes a Dir that was given, too.
	RemoveDir bool
	// Scope is the cluster's name: by default "demo".
	Scope string

	// TTL, LoopWait and RetryTimeout are the cluster's, in whole seconds: by
	// default the least that the store allows.
	TTL, LoopWait, RetryTimeout time.Duration
	// Dynamic is merged into the configuration that the new cluster gets in the
	// store (bootstrap.dcs).
	Dynamic map[string]any
	// Node, if set, changes the configuration of the node of this name before it
	// is written.
	Node func(name string, config map[string]any)
	// LinkPeers puts links in front of each node's PostgreSQL and REST API too:
	// what others are told are the links' addresses.
	LinkPeers bool

	// Colocated puts a member of the store on each node's host, which has an
	// address of its own (127.0.0.2, …): KillHost and StartHost are about it, too.
	// There are as many members as nodes then.
	Colocated bool

	// Logger hears what the lab does to its nodes; by default nobody does.
	Logger *slog.Logger
	// Output gets what the lab's watcher has to say when it cleans up alone.
	Output io.Writer
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Agent) == 0 && o.Regent != "" {
		o.Agent = []string{o.Regent, "run"}
	}
	switch {
	case os.Geteuid() == 0:
		return o, errors.New("lab: runs as root, as whom PostgreSQL doesn't run: become another user first")
	case !mainCalled.Load():
		return o, errors.New("lab: no watcher: make lab.Main() the first line of main")
	case len(o.Agent) == 0:
		return o, errors.New("lab: Regent is missing: the path of the daemon")
	case o.Store == nil:
		return o, errors.New("lab: Store is missing: Etcd, RegentStore, … with the paths of its programs")
	case o.PostgresBin == "":
		return o, errors.New("lab: PostgresBin is missing: the folder with PostgreSQL's programs")
	case o.Nodes < 0 || o.Nodes > 26:
		return o, fmt.Errorf("lab: Nodes is %d: 1 to 26 are possible", o.Nodes)
	}
	o.Nodes = withDefault(o.Nodes, 3)
	if o.Colocated {
		o.StoreMembers = o.Nodes
	}
	o.StoreMembers = withDefault(o.StoreMembers, 1)
	o.Scope = withDefault(o.Scope, "demo")
	least := o.Store.Least()
	o.TTL = withDefault(o.TTL, least.TTL)
	o.LoopWait = withDefault(o.LoopWait, least.LoopWait)
	o.RetryTimeout = withDefault(o.RetryTimeout, least.RetryTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Output == nil {
		o.Output = io.Discard
	}
	if o.Dir != "" {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return o, fmt.Errorf("lab: Dir: %w", err)
		}
		o.Dir = dir
	}
	return o, nil
}

func withDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
