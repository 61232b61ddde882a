package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/regent-ha/regent/dcs"
)

// Store is the lab's store. Every fault is about all of its processes at once.
type Store struct {
	Endpoints []string // host:port, past all links

	lab     *Lab
	backend backend
	servers []*storeServer
}

type storeServer struct {
	server
	log     string
	process *process
}

func newStore(l *Lab) (*Store, error) {
	dir := filepath.Join(l.Dir, "store")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	b, err := l.options.Store.build(site{dir: dir, scope: l.options.Scope, members: l.options.StoreMembers, addresses: l.addresses})
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	s := &Store{Endpoints: b.endpoints(), lab: l, backend: b}
	for _, planned := range b.servers() {
		s.servers = append(s.servers, &storeServer{server: planned, log: filepath.Join(dir, planned.name+".log")})
	}
	return s, nil
}

// Start starts the servers that don't run and returns when they serve.
func (s *Store) Start(ctx context.Context) error {
	for _, m := range s.servers {
		if err := s.start(m); err != nil {
			return err
		}
	}
	err := Until(ctx, "the store to serve", func(ctx context.Context) error {
		for _, m := range s.servers {
			if m.process.ended() {
				return Never(fmt.Errorf("%s has ended: %s", m.name, lastLine(m.log)))
			}
		}
		return s.backend.ready(ctx)
	})
	if err != nil || s.lab.observer != nil {
		return err
	}
	return s.begin(ctx)
}

// begin makes the store that has come up for the first time the cluster's.
func (s *Store) begin(ctx context.Context) error {
	var members []string
	for _, n := range s.lab.Nodes {
		members = append(members, n.Name)
	}
	if err := s.backend.prepare(ctx, members); err != nil {
		return fmt.Errorf("lab: prepare the store: %w", err)
	}
	observer, err := s.backend.open(dcs.Path{Scope: s.lab.options.Scope}, s.lab.options.TTL)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	s.lab.observer = dcs.NewClient(observer, dcs.ClientOptions{})
	return nil
}

// start starts a server if it doesn't run.
func (s *Store) start(m *storeServer) error {
	if m.process.pid() != 0 {
		return nil
	}
	p, err := spawn(s.lab.Dir, m.log, m.argv, environment(s.lab.Dir))
	if err != nil {
		return fmt.Errorf("lab: store: %w", err)
	}
	m.process = p
	return nil
}

// Kill ends all servers at once. Their data stays.
func (s *Store) Kill() {
	s.lab.log.Info("killing the store")
	for _, m := range s.servers {
		m.process.signal(syscall.SIGKILL)
	}
	for _, m := range s.servers {
		m.process.kill()
	}
}

// Freeze lets all servers stand still: connections stay, nothing answers.
func (s *Store) Freeze() { s.signal("freezing", syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Store) Thaw() { s.signal("thawing", syscall.SIGCONT) }

func (s *Store) signal(what string, sig syscall.Signal) {
	s.lab.log.Info(what + " the store")
	for _, m := range s.servers {
		m.process.signal(sig)
	}
	for _, m := range s.servers {
		if sig == syscall.SIGSTOP {
			awaitStopped(m.process.pid())
		}
	}
}

// PIDs are the servers' processes.
func (s *Store) PIDs() []int {
	var pids []int
	for _, m := range s.servers {
		if pid := m.process.pid(); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *Store) close() {
	s.backend.close()
	for _, m := range s.servers {
		m.process.kill()
	}
}
