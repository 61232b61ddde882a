package lab

import (
	"fmt"

	"github.com/regent-ha/regent/internal/ports"
)

// addresses are n different ones, ours until the lab is closed. With
// Options.Colocated they are on the host of its own that the i-th node has, and
// the i-th server of the store, too.
func (l *Lab) addresses(i, n int) ([]string, error) {
	var addrs []string
	for range n {
		port, release, err := ports.Reserve()
		if err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
		l.release = append(l.release, release)
		addrs = append(addrs, fmt.Sprintf("%s:%d", l.host(i), port))
	}
	return addrs, nil
}

// host is the address of the i-th node.
func (l *Lab) host(i int) string {
	if !l.options.Colocated {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.0.0.%d", 2+i)
}
