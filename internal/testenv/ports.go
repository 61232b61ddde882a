package testenv

import (
	"fmt"
	"testing"

	"github.com/regent-ha/regent/internal/ports"
)

// Port returns a TCP port of the loopback interface that is the test's until it
// ends.
func Port(tb testing.TB) int {
	tb.Helper()
	port, release, err := ports.Reserve()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(release)
	return port
}

// Addr returns an address of the loopback interface that is the test's until it
// ends.
func Addr(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(tb))
}
