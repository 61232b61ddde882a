package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// daemonVar has the path of the daemon that is tested; without it one is built.
const daemonVar = "REGENT_TEST_DAEMON"

func TestMain(m *testing.M) {
	lab.Main()
	if os.Getenv(daemonVar) != "" {
		testenv.Main(m)
	}
	code, err := withDaemon(func() int { return testenv.Tests(m) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// withDaemon builds the daemon as whoever started the tests, who has a build cache.
func withDaemon(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "regent-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	path := filepath.Join(dir, "regent")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", path, "github.com/regent-ha/regent/cmd/regent")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	os.Setenv(daemonVar, path)
	return withDisks(dir, run)
}
