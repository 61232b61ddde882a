package lab

import (
	"fmt"

	"github.com/regent-ha/regent/internal/ports"
)

// addresses are two for each of n servers, ours until the lab is closed. With
// Options.Colocated the i-th server's are on the host of its own that the i-th
// node has, too.
func (l *Lab) addresses(n int) ([]string, error) {
	const each = 2
	var addrs []string
	for i := range n * each {
		port, release, err := ports.Reserve()
		if err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
		l.release = append(l.release, release)
		addrs = append(addrs, fmt.Sprintf("%s:%d", l.host(i/each), port))
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
