package lab

import (
	"fmt"

	"github.com/regent-ha/regent/internal/ports"
)

// addresses are n different ones of the loopback interface, ours until the lab is
// closed.
func (l *Lab) addresses(n int) ([]string, error) {
	var addrs []string
	for range n {
		port, release, err := ports.Reserve()
		if err != nil {
			return nil, fmt.Errorf("lab: %w", err)
		}
		l.release = append(l.release, release)
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return addrs, nil
}
