package ports_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/regent-ha/regent/internal/ports"
)

func TestReservedOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		port, release, err := ports.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
	for port := range seen {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Errorf("a reserved port can't be used: %v", err)
			continue
		}
		l.Close()
	}
}
