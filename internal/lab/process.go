package lab

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// process is a child of the lab, in a session of its own: what a terminal sends
// to the foreground doesn't reach it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and was waited for
}

// spawn starts a program with its output at the end of a file.
func spawn(dir, log string, argv, env []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int {
	if p == nil || p.ended() {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal does nothing to a process that has ended or never was.
func (p *process) signal(s syscall.Signal) {
	if p != nil && !p.ended() {
		p.cmd.Process.Signal(s)
	}
}

// kill ends it at once.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

// environment is what children get: nothing of ours but where programs and
// temporary files are, and the mark by which the lab's processes are found.
func environment(dir string) []string {
	env := []string{"LC_ALL=C.UTF-8", markVariable + "=" + dir}
	for _, name := range []string{"PATH", "HOME", "USER", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
