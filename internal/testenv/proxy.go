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
