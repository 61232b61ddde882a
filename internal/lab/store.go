package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// StoreMember is what a program needs to know to be one server of the store.
type StoreMember struct {
	Name           string
	Dir            string // of its data
	Client, Peer   string // host:port for clients, for the other members
	InitialCluster string // name=URL,... of all members
	Token          string // the cluster's
}

// StoreCommand is the command line of a member.
type StoreCommand func(m StoreMember) []string

// Etcd runs etcd's own program.
func Etcd(program string) StoreCommand {
	return func(m StoreMember) []string {
		client, peer := "http://"+m.Client, "http://"+m.Peer
		return []string{
			program, "--name", m.Name, "--data-dir", m.Dir,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", m.InitialCluster, "--initial-cluster-token", m.Token,
			"--logger", "zap", "--log-level", "warn",
		}
	}
}

// RegentStore runs cmd/regent-store.
func RegentStore(program string) StoreCommand {
	return func(m StoreMember) []string {
		return []string{
			program, "run", "--new", "--name", m.Name, "--data-dir", m.Dir,
			"--listen-client", "http://" + m.Client, "--listen-peer", "http://" + m.Peer,
			"--initial-cluster", m.InitialCluster, "--cluster-token", m.Token,
		}
	}
}

// Store is the lab's store. Every call is about all of its members at once.
type Store struct {
	Endpoints []string // host:port, past all links

	lab     *Lab
	members []*storeMember
	client  *clientv3.Client
}

type storeMember struct {
	StoreMember
	argv    []string
	process *process
}

func newStore(l *Lab, addrs []string) *Store {
	s := &Store{lab: l}
	var initial []string
	for i := 0; i+1 < len(addrs); i += 2 {
		name := fmt.Sprintf("store%d", i/2+1)
		s.Endpoints = append(s.Endpoints, addrs[i])
		s.members = append(s.members, &storeMember{StoreMember: StoreMember{
			Name: name, Dir: filepath.Join(l.Dir, name), Client: addrs[i], Peer: addrs[i+1], Token: l.options.Scope,
		}})
		initial = append(initial, name+"=http://"+addrs[i+1])
	}
	for _, m := range s.members {
		m.InitialCluster = strings.Join(initial, ",")
		m.argv = l.options.Store(m.StoreMember)
	}
	return s
}

// Start starts the members that don't run and returns when they serve.
func (s *Store) Start(ctx context.Context) error {
	for _, m := range s.members {
		if err := s.startMember(m); err != nil {
			return err
		}
	}
	if s.client == nil {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: s.Endpoints, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{grpc.WithIdleTimeout(0)},
		})
		if err != nil {
			return fmt.Errorf("lab: store: %w", err)
		}
		s.client = client
	}
	return Until(ctx, "the store to serve", func(ctx context.Context) error {
		for _, m := range s.members {
			if m.process.ended() {
				return Never(fmt.Errorf("%s has ended: %s", m.Name, lastLine(m.Dir+".log")))
			}
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := s.client.Get(ctx, "/service/") // linearizable: a majority was asked
		return err
	})
}

// startMember starts a member if it doesn't run.
func (s *Store) startMember(m *storeMember) error {
	if m.process != nil && !m.process.ended() {
		return nil
	}
	p, err := spawn(s.lab.Dir, m.Dir+".log", m.argv, environment(s.lab.Dir))
	if err != nil {
		return fmt.Errorf("lab: store: %w", err)
	}
	m.process = p
	return nil
}

// Kill ends all members at once. Their data stays.
func (s *Store) Kill() {
	s.lab.log.Info("killing the store")
	for _, m := range s.members {
		m.process.signal(syscall.SIGKILL)
	}
	for _, m := range s.members {
		m.process.kill()
	}
}

// Freeze lets all members stand still: connections stay, nothing answers.
func (s *Store) Freeze() { s.signal("freezing", syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Store) Thaw() { s.signal("thawing", syscall.SIGCONT) }

func (s *Store) signal(what string, sig syscall.Signal) {
	s.lab.log.Info(what + " the store")
	for _, m := range s.members {
		m.process.signal(sig)
	}
}

// PIDs are the members' processes.
func (s *Store) PIDs() []int {
	var pids []int
	for _, m := range s.members {
		if pid := m.process.pid(); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *Store) close() {
	if s.client != nil {
		s.client.Close()
	}
	for _, m := range s.members {
		m.process.kill()
	}
}
