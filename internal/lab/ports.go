package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below those that the kernel gives to outgoing
// connections, one of which may get a port between our look and its use.
const (
	firstPort = 15000
	lastPort  = 32000
)

// freeAddresses are n different ones of the loopback interface.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for tries := 0; len(addrs) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort)))
		switch {
		case err == nil:
			defer l.Close() // not before all are found
			addrs = append(addrs, l.Addr().String())
		case tries > 100+10*n:
			return nil, fmt.Errorf("lab: find a free port: %w", err)
		}
	}
	return addrs, nil
}
