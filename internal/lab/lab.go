package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// Lab is one cluster.
type Lab struct {
	Dir   string
	Store *Store
	Nodes []*Node // by name

	options  Options
	log      *slog.Logger
	watcher  *watcher
	observer *dcs.Client // nil: the store has never served yet
	secrets  secrets
	programs []string // whose processes on Dir are ours to end
	release  []func() // of ports

	keep    atomic.Bool
	closing sync.Once
	closed  error
}

// secrets are the passwords of the lab's roles.
type secrets struct{ superuser, replication, rewind string }

// New makes a lab: its directory, its links, the nodes' configurations. Nothing
// but the lab's watcher runs until Start.
func New(o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Dir == "" {
		o.RemoveDir = true
		o.Dir, err = os.MkdirTemp("", "regent-lab-")
	} else {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l := &Lab{
		Dir: realPath(o.Dir), options: o, log: o.Logger,
		secrets: secrets{rand.Text(), rand.Text(), rand.Text()},
	}
	l.programs = []string{realPath(o.Agent[0]), realPath(o.PostgresBin)}
	if o.Regent != "" { // Agent may only start it
		l.programs = append(l.programs, realPath(o.Regent))
	}
	if l.watcher, err = watch(l.Dir, l.programs, o.RemoveDir, o.Output); err != nil {
		return nil, err
	}
	if err := l.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// build makes the store and the nodes.
func (l *Lab) build() error {
	var err error
	if l.Store, err = newStore(l); err != nil {
		return err
	}
	for i := range l.options.Nodes {
		addrs, err := l.addresses(i, 2)
		if err != nil {
			return err
		}
		n := &Node{Name: string(rune('a' + i)), SQLAddr: addrs[0], APIAddr: addrs[1], lab: l}
		if l.options.Colocated {
			n.store = l.Store.servers[i]
		}
		l.Nodes = append(l.Nodes, n)
		if err := n.build(); err != nil {
			return err
		}
	}
	return nil
}

// Start starts the store and then all agents, and returns when the cluster is
// healthy.
func (l *Lab) Start(ctx context.Context) error {
	if err := l.Store.Start(ctx); err != nil {
		return err
	}
	for _, n := range l.Nodes {
		if err := n.StartAgent(); err != nil {
			return err
		}
	}
	_, err := l.WaitHealthy(ctx)
	return err
}

// Node is the one of this name; nil: there is none.
func (l *Lab) Node(name string) *Node {
	for _, n := range l.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Keep leaves the lab's directory where it is at the end, for somebody to look
// at.
func (l *Lab) Keep() { l.keep.Store(true) }

// Close ends every process of the lab, and removes its directory if that is its
// to do. It is idempotent.
func (l *Lab) Close() error {
	l.closing.Do(func() { l.closed = l.close() })
	return l.closed
}

func (l *Lab) close() error {
	for _, n := range l.Nodes {
		n.close()
	}
	if l.observer != nil {
		l.observer.Close()
	}
	err := end(l.Dir, l.programs)
	if l.Store != nil {
		l.Store.close()
	}
	for _, release := range l.release {
		release()
	}
	return errors.Join(err, l.watcher.dismiss(l.keep.Load()))
}

// TTL is the cluster's.
func (l *Lab) TTL() time.Duration { return l.options.TTL }

// Succession is how long after the last renewal of a leader that was lost another
// may lead, at the latest, as the store promises it.
func (l *Lab) Succession() time.Duration { return l.options.Store.Succession(l.options.TTL) }
