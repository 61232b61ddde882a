package lab

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// Cluster is what the store says now.
func (l *Lab) Cluster(ctx context.Context) (dcs.Cluster, error) {
	if l.observer == nil {
		return dcs.Cluster{}, errors.New("lab: the store was never started")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.observer.Read(ctx)
}

// Leader is the node that holds the leader key and takes writes.
func (l *Lab) Leader(ctx context.Context) (*Node, error) {
	c, err := l.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	n := l.Node(c.LeaderName())
	if n == nil {
		return nil, errNobody
	}
	writable, err := n.Writable(ctx)
	if err == nil && !writable {
		err = fmt.Errorf("%s leads but takes no writes", n.Name)
	}
	return n, err
}

// WaitLeader waits for a leader that takes writes.
func (l *Lab) WaitLeader(ctx context.Context) (leader *Node, err error) {
	err = Until(ctx, "a leader that takes writes", func(ctx context.Context) error {
		leader, err = l.Leader(ctx)
		return err
	})
	return leader, err
}

// WaitHealthy waits for a leader that all other nodes stream from.
func (l *Lab) WaitHealthy(ctx context.Context) (*Node, error) {
	return l.WaitStreaming(ctx, l.Nodes...)
}

// WaitStreaming waits for a leader that these nodes, itself aside, stream from.
func (l *Lab) WaitStreaming(ctx context.Context, nodes ...*Node) (leader *Node, err error) {
	err = Until(ctx, "all standbys to stream", func(ctx context.Context) error {
		for _, n := range l.Nodes {
			if n.agent != nil && n.agent.ended() && n.agent.cmd.ProcessState.ExitCode() > 0 {
				return Never(fmt.Errorf("the agent of %s has ended: %s", n.Name, lastLine(n.Log)))
			}
		}
		if leader, err = l.Leader(ctx); err != nil {
			return err
		}
		streaming, err := leader.Streaming(ctx)
		if err != nil {
			return err
		}
		have := " " + strings.Join(streaming, " ") + " "
		for _, n := range nodes {
			if n != leader && !strings.Contains(have, " "+n.Name+" ") {
				return fmt.Errorf("%s doesn't stream from %s, only%s", n.Name, leader.Name, have)
			}
		}
		return nil
	})
	return leader, err
}

// ConnString is how the superuser connects to PostgreSQL at these host:ports,
// the first that answers.
func (l *Lab) ConnString(addrs ...string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, l.secrets.superuser), Host: strings.Join(addrs, ","), Path: "/postgres",
		RawQuery: "sslmode=disable&connect_timeout=1&application_name=lab",
	}
	return u.String()
}

// WriterConnString is how a client finds the primary among all nodes.
func (l *Lab) WriterConnString() string {
	var addrs []string
	for _, n := range l.Nodes {
		addrs = append(addrs, n.ClientAddr())
	}
	return l.ConnString(addrs...) + "&target_session_attrs=read-write"
}
