package lab

import (
	"fmt"
	"net"
)

// freeAddresses are n different ones of the loopback interface.
func freeAddresses(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("lab: find a free port: %w", err)
		}
		defer l.Close() // not before all are found
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
