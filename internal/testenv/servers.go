package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// serversVar names the folder with the servers that scripts/servers builds, for a
// test binary that runs as another user than the one who built them.
const serversVar = "REGENT_TEST_SERVERS"

// serversFD is the descriptor under which dropRoot hands on that folder: it may
// lie below one that only root can enter.
const serversFD = 3

// serversDir is where scripts/servers puts what it builds.
func serversDir() (string, error) {
	if dir := os.Getenv(serversVar); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir() // XDG_CACHE_HOME, else ~/.cache
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "regent", "servers"), nil
}

// openServers opens the folder to hand it on; nil: there is none.
func openServers() *os.File {
	dir, err := serversDir()
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
	if os.Getenv(serversVar) == serversPath {
		unix.CloseOnExec(serversFD)
	}
}

var serversPath = fmt.Sprintf("/proc/self/fd/%d", serversFD)

// server is the path of a server that scripts/servers built.
func server(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := serversDir()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err != nil {
		tb.Fatalf("testenv: no %s found (%v): run scripts/servers %s", name, err, name)
	}
	return program
}
