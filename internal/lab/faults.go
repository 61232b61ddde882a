package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/regent-ha/regent/internal/tcpproxy"
)

// KillAgent ends the agent at once (SIGKILL). Guard and PostgreSQL stay.
func (n *Node) KillAgent() {
	n.lab.log.Info("killing the agent", "node", n.Name)
	n.agent.kill()
}

// FreezeAgent lets the agent stand still (SIGSTOP), and returns when it does.
func (n *Node) FreezeAgent() {
	n.lab.log.Info("freezing the agent", "node", n.Name)
	n.agent.signal(syscall.SIGSTOP)
	awaitStopped(n.agent.pid())
}

// ThawAgent ends FreezeAgent.
func (n *Node) ThawAgent() {
	n.lab.log.Info("thawing the agent", "node", n.Name)
	n.agent.signal(syscall.SIGCONT)
}

// GuardPID is the guard's process; 0: there is none.
func (n *Node) GuardPID() int {
	files, _ := filepath.Glob(filepath.Join(n.runDir(), "*", "guard.pid"))
	for _, f := range files {
		if r, ok := n.named(f); ok && !r.isPostgres() {
			return r.pid
		}
	}
	return 0
}

// PostmasterPID is the postmaster's process; 0: PostgreSQL doesn't run.
func (n *Node) PostmasterPID() int {
	if r, ok := n.named(filepath.Join(n.DataDir(), "postmaster.pid")); ok && r.isPostgres() {
		return r.pid
	}
	return 0
}

// named is the process of this node that the first line of a file names.
func (n *Node) named(file string) (running, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return running{}, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return running{}, false
	}
	r, ok := look(pid)
	return r, ok && r.worksOn(n.Dir)
}

// FreezeGuard lets the guard stand still (SIGSTOP).
func (n *Node) FreezeGuard() error {
	return n.signalOne("freezing the guard", n.GuardPID(), syscall.SIGSTOP)
}

// ThawGuard ends FreezeGuard.
func (n *Node) ThawGuard() error {
	return n.signalOne("thawing the guard", n.GuardPID(), syscall.SIGCONT)
}

// KillGuard ends the guard at once (SIGKILL).
func (n *Node) KillGuard() error {
	return n.signalOne("killing the guard", n.GuardPID(), syscall.SIGKILL)
}

// KillPostgres ends the postmaster at once (SIGKILL).
func (n *Node) KillPostgres() error {
	return n.signalOne("killing PostgreSQL", n.PostmasterPID(), syscall.SIGKILL)
}

func (n *Node) signalOne(what string, pid int, s syscall.Signal) error {
	r, ok := look(pid)
	if pid == 0 || !ok {
		return fmt.Errorf("lab: %s of node %s: there is none", what, n.Name)
	}
	n.lab.log.Info(what, "node", n.Name, "pid", pid)
	r.signal(s)
	if s == syscall.SIGSTOP {
		awaitStopped(pid)
	}
	return nil
}

// KillHost ends the agent, the guard and every process of PostgreSQL, as the end
// of their machine would: nothing of them runs between the first and the last.
// Links go silent first. With Options.Colocated the member of the store there
// ends, too.
func (n *Node) KillHost() {
	n.lab.log.Info("killing the host", "node", n.Name)
	n.Isolate()
	if n.store != nil {
		n.store.process.kill()
	}
	for range 10 { // until none was started between the look and the signal
		fresh := 0
		for _, r := range processes(n.Dir, n.lab.programs) {
			if stopped(r.pid) {
				continue
			}
			fresh++
			r.signal(syscall.SIGSTOP)
		}
		if fresh == 0 {
			break
		}
	}
	for range 10 {
		all := processes(n.Dir, n.lab.programs)
		if len(all) == 0 {
			break
		}
		for _, r := range all {
			r.signal(syscall.SIGKILL)
		}
	}
	n.agent.kill()
}

// StartHost brings a killed host back: its links, its agent, and its member of the
// store if there is one.
func (n *Node) StartHost() error {
	// What the links still hold is of a host that is no more: nothing sends it again.
	n.eachLink(func(p *tcpproxy.Proxy) { p.Cut(tcpproxy.Close) })
	n.Rejoin()
	if n.store != nil {
		if err := n.lab.Store.start(n.store); err != nil {
			return err
		}
	}
	return n.StartAgent()
}

// Isolate cuts the node off, as a network that drops packets does: from the
// store and, with Options.LinkPeers, for all who come to it.
func (n *Node) Isolate() { n.eachLink(func(p *tcpproxy.Proxy) { p.Cut(tcpproxy.Hang) }) }

// Rejoin ends Isolate and CutStore.
func (n *Node) Rejoin() { n.eachLink((*tcpproxy.Proxy).Heal) }

// StoreLink is the way from the node to the store.
func (n *Node) StoreLink() *tcpproxy.Proxy { return n.storeLink }

func (n *Node) eachLink(do func(*tcpproxy.Proxy)) {
	for _, p := range []*tcpproxy.Proxy{n.storeLink, n.sqlProxy, n.apiProxy} {
		if p != nil {
			do(p)
		}
	}
}

// stopped says whether a process stands still: SIGSTOP reaches each of its threads
// by itself, and one may do something while another stands.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, t := range threads {
		stat, err := os.ReadFile(t)
		if err != nil {
			continue // it is gone
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // proc(5): the name may hold anything
		if !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return true
}

// awaitStopped waits until a process that was sent SIGSTOP stands still. It is a
// matter of moments, and goes on without after a while.
func awaitStopped(pid int) {
	for range 500 {
		if stopped(pid) {
			return
		}
		time.Sleep(pollInterval)
	}
}
