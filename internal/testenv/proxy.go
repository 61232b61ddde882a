package testenv

import (
	"testing"

	"github.com/regent-ha/regent/internal/tcpproxy"
)

// Proxy is a TCP link to a server that can be cut.
type Proxy = tcpproxy.Proxy

// Cutting is how a cut link looks to those who use it.
type Cutting = tcpproxy.Cutting

// See package tcpproxy.
const (
	Hang  = tcpproxy.Hang
	Close = tcpproxy.Close
)

// NewProxy listens on a free loopback port until the test ends, and passes on to
// target, a host:port.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p, err := tcpproxy.Listen(target)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(p.Close)
	return p
}

// Link is a Proxy as the suite of stores cuts it (dcstest.Link).
type Link struct{ *Proxy }

// Hang lets nothing through in either direction; connections stand.
func (l Link) Hang() { l.Cut(Hang) }

// Close ends connections and refuses new ones.
func (l Link) Close() { l.Cut(Close) }

// HangReplies lets requests through and no answer.
func (l Link) HangReplies() { l.CutBeforeReply(Hang) }
