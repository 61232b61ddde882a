package fence

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sessions are the connections of agents.
type sessions struct {
	g *guard

	mu     sync.Mutex
	agents map[int]*peer // by pid
}

// peer is a process that was accepted as the agent.
type peer struct {
	process
	pidfd int
}

func newSessions(g *guard) *sessions { return &sessions{g: g, agents: map[int]*peer{}} }

// serve takes connections until the listener is closed.
func (s *sessions) serve(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.g.log.Error("accept a connection", "error", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		go s.session(conn)
	}
}

// session is one connection.
type session struct {
	*guard
	conn  *net.UnixConn
	agent process // zero: an observer
	write sync.Mutex
}

const (
	helloTime = 5 * time.Second // for a hello to come
	writeTime = 5 * time.Second // for an answer to be taken
)

func (s *sessions) session(conn *net.UnixConn) {
	defer conn.Close()
	cred, err := peerOf(conn)
	if err != nil || int(cred.Uid) != os.Geteuid() {
		s.g.log.Warn("a connection of somebody else is refused", "uid", cred.Uid, "pid", cred.Pid, "error", err)
		return
	}
	c := &session{guard: s.g, conn: conn}
	conn.SetReadDeadline(time.Now().Add(helloTime))
	var hello request
	if readFrame(conn, &hello) != nil || hello.Verb != verbHello {
		return
	}
	conn.SetReadDeadline(time.Time{})
	if err := s.hello(c, hello, int(cred.Pid)); err != nil {
		c.reply(response{ID: hello.ID}, err)
		return
	}
	c.reply(response{ID: hello.ID, State: s.g.state.Load()}, nil)
	c.serve()
}

func peerOf(conn *net.UnixConn) (cred unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return cred, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		var c *unix.Ucred
		if c, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner == nil {
			cred = *c
		}
	})
	return cred, errors.Join(err, inner)
}

// hello admits an agent; the one before it must be dead or have taken its leave.
func (s *sessions) hello(c *session, h request, pid int) error {
	if h.Protocol != protocolVersion {
		return &RefusedError{RefusedProtocol, fmt.Sprintf("the guard (pid %d) speaks protocol %d, not %d", os.Getpid(), protocolVersion, h.Protocol)}
	}
	if h.Observe {
		return nil
	}
	p, err := readProcess(pid)
	if err != nil {
		return fmt.Errorf("the agent with pid %d: %w", pid, err)
	}
	s.bury(s.g.state.Load().Agent)
	if err := s.g.ask(AgentJoined{PID: pid, Kill: h.Kill}); err != nil {
		return err
	}
	c.agent = p
	return s.follow(p)
}

// follow reports the agent's death.
func (s *sessions) follow(p process) error {
	s.mu.Lock()
	known := s.agents[p.pid]
	s.mu.Unlock()
	if known != nil && known.start == p.start {
		return nil
	}
	fd, err := p.open()
	if err != nil {
		s.g.inbox <- message{event: AgentGone{PID: p.pid}}
		return fmt.Errorf("the agent with pid %d: %w", p.pid, err)
	}
	a := &peer{process: p, pidfd: fd}
	s.mu.Lock()
	s.agents[p.pid] = a
	s.mu.Unlock()
	go func() {
		for !ended(fd, -1) {
		}
		s.gone(a)
		unix.Close(fd)
	}()
	return nil
}

func ended(pidfd int, timeout int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, timeout)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
}

// gone forgets a dead agent, once.
func (s *sessions) gone(a *peer) {
	s.mu.Lock()
	known := s.agents[a.pid] == a
	if known {
		delete(s.agents, a.pid)
	}
	s.mu.Unlock()
	if known {
		s.g.inbox <- message{event: AgentGone{PID: a.pid}}
	}
}

// bury reports the agent's death now if it is dead: whoever starts an agent
// anew need not wait for us to notice.
func (s *sessions) bury(pid int) {
	s.mu.Lock()
	a := s.agents[pid]
	dead := a != nil && ended(a.pidfd, 0)
	s.mu.Unlock()
	if dead {
		s.gone(a)
	}
}

func (s *sessions) killAgent(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.agents[pid]; a != nil {
		err := unix.PidfdSendSignal(a.pidfd, unix.SIGKILL, nil, 0)
		s.g.log.Warn("killed the agent that armed", "pid", pid, "error", err)
	}
}
