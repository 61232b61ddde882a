// Package ports reserves TCP ports of the loopback interface for servers that are
// started, stopped and started again. A port that is merely free now may be taken
// by another test before its server listens there, or while that is down.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below those that the kernel gives to outgoing
// connections, one of which may get a port between our look and its use.
const (
	first = 15000
	last  = 32000
)

// Reserve returns a port that is free now and that no other Reserve on this
// machine returns until release is called or the process ends.
//
// The reservation is a socket of the port's name in Linux's abstract namespace,
// which belongs to the network namespace as ports do.
func Reserve() (port int, release func(), _ error) {
	var failed error
	for range 200 {
		port := first + rand.IntN(last-first)
		name, err := net.Listen("unix", fmt.Sprintf("@regent/port/%d", port))
		if err != nil {
			failed = err
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			failed = errors.Join(err, name.Close())
			continue
		}
		if err := l.Close(); err != nil {
			return 0, nil, errors.Join(fmt.Errorf("ports: %w", err), name.Close())
		}
		return port, func() { name.Close() }, nil
	}
	return 0, nil, fmt.Errorf("ports: find a free one: %w", failed)
}
