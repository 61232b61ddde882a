package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports are taken from below those that the kernel gives to outgoing
// connections, one of which may get a port between our look and its use.
const (
	firstPort = 15000
	lastPort  = 32000
)

// Port returns a TCP port of the loopback address that is free now.
func Port(tb testing.TB) int {
	tb.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	tb.Fatalf("testenv: find a free port: %v", err)
	return 0
}

// Addr returns an address of the loopback interface that is free now.
func Addr(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(tb))
}
