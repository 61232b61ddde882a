package lab

import (
	"context"
	"syscall"

	"github.com/regent-ha/regent/internal/tcpproxy"
)

// CutStore cuts the node off from the store alone, as a network that drops
// packets does. Rejoin ends it.
func (n *Node) CutStore() { n.storeLink.Cut(tcpproxy.Hang) }

// FreezePostgres lets the postmaster stand still (SIGSTOP): who is connected goes
// on, nobody new gets an answer.
func (n *Node) FreezePostgres() error {
	return n.signalOne("freezing the postmaster", n.PostmasterPID(), syscall.SIGSTOP)
}

// ThawPostgres ends FreezePostgres.
func (n *Node) ThawPostgres() error {
	return n.signalOne("thawing the postmaster", n.PostmasterPID(), syscall.SIGCONT)
}

// Wipe removes everything that the store has of the cluster.
func (l *Lab) Wipe(ctx context.Context) error {
	l.log.Info("wiping the store")
	return l.observer.RemoveCluster(ctx)
}
