package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/regent-ha/regent/internal/ports"
)

// server is one etcd with its default settings. It ends with this process.
type server struct {
	addr    string // host:port for clients
	cmd     *exec.Cmd
	ended   chan struct{}
	release []func()
}

func startServer(ctx context.Context, program, dir string) (*server, error) {
	s := &server{ended: make(chan struct{})}
	var addrs [2]string
	for i := range addrs {
		port, release, err := ports.Reserve()
		if err != nil {
			s.releasePorts()
			return nil, fmt.Errorf("load: %w", err)
		}
		addrs[i], s.release = fmt.Sprintf("127.0.0.1:%d", port), append(s.release, release)
	}
	s.addr = addrs[0]
	client, peer, log := "http://"+addrs[0], "http://"+addrs[1], filepath.Join(dir, "etcd.log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.releasePorts()
		return nil, fmt.Errorf("load: %w", err)
	}
	defer out.Close()
	s.cmd = exec.Command(program, "--name", "load", "--data-dir", filepath.Join(dir, "etcd"),
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "load="+peer,
		"--logger", "zap", "--log-level", "error")
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the parent death signal comes when this thread ends
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.cmd.Wait()
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		s.releasePorts()
		return nil, fmt.Errorf("load: start etcd: %w", err)
	}
	if err := s.waitServing(ctx); err != nil {
		s.close()
		return nil, fmt.Errorf("load: %w (see %s)", err, log)
	}
	return s, nil
}

func (s *server) waitServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/health", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("its health is %s", answer.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for etcd to serve: %w", err)
		case <-s.ended:
			return errors.New("etcd has ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) close() {
	s.cmd.Process.Kill()
	<-s.ended
	s.releasePorts()
}

func (s *server) releasePorts() {
	for _, release := range s.release {
		release()
	}
}
