package testenv

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/regent-ha/regent/internal/servers"
)

// serversFD is the descriptor under which dropRoot hands on that folder: it may
// lie below one that only root can enter.
const serversFD = 3

// openServers opens the folder to hand it on; nil: there is none.
func openServers() *os.File {
	dir, err := servers.Folder()
	if err != nil {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	return f
}

// keepServers keeps the folder that was handed on from the programs that tests
// start: a program is found below it before the descriptor closes.
func keepServers() {
	if os.Getenv(servers.FolderVar) == serversPath {
		unix.CloseOnExec(serversFD)
	}
}

var serversPath = fmt.Sprintf("/proc/self/fd/%d", serversFD)

// server is the path of a server that scripts/servers built.
func server(tb testing.TB, name string) string {
	tb.Helper()
	program, err := servers.Find(name, "")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return program
}
