// Package testenv gives tests real servers, PostgreSQL and every store, and the
// user that they run as. Nothing here skips a test: what is missing fails it, and
// says how to get it.
package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/regent-ha/regent/internal/servers"
)

// User is whom tests run as when they were started by root, whom PostgreSQL
// refuses. Debian's postgresql-common makes it.
const User = "postgres"

// Main is the body of a TestMain whose tests must not run as root: under root it
// runs the test binary again as User, else it runs the tests.
func Main(m *testing.M) { os.Exit(Tests(m)) }

// Tests is Main without the end of the process.
func Tests(m *testing.M) int {
	if os.Getuid() != 0 {
		return inTempDir(m)
	}
	return dropRoot()
}

// inTempDir runs the tests with a temporary folder that goes with them, also
// what they leave in it for one another.
func inTempDir(m *testing.M) int {
	tmp, err := os.MkdirTemp("", "regent-test-")
	if err == nil {
		err = os.Setenv("TMPDIR", tmp)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return 1
	}
	defer os.RemoveAll(tmp)
	keepServers()
	return m.Run()
}

func dropRoot() int {
	cred, home, err := credential()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return 1
	}
	tmp, err := os.MkdirTemp("", "regent-test-")
	if err == nil {
		err = os.Chown(tmp, int(cred.Uid), int(cred.Gid))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return 1
	}
	defer os.RemoveAll(tmp)
	// The path of the binary may lie below a folder of root's alone.
	cmd := exec.Command("/proc/self/exe", withoutRootFiles(os.Args[1:])...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME="+home, "USER="+User, "LC_ALL=C.UTF-8")
	// User may not get to the checkout, nor find another's cache.
	if majors, err := majorsDir(); err == nil {
		cmd.Env = append(cmd.Env, majorsVar+"="+majors)
	}
	if folder := openServers(); folder != nil {
		defer folder.Close()
		cmd.ExtraFiles = []*os.File{folder} // the first is serversFD
		cmd.Env = append(cmd.Env, servers.FolderVar+"="+serversPath)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "testenv: run as", User+":", err)
	return 1
}

// withoutRootFiles leaves out what go test has files for that only root can
// write, and which would end the run.
func withoutRootFiles(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool {
		return strings.HasPrefix(a, "-test.testlogfile=")
	})
}

func credential() (*syscall.Credential, string, error) {
	u, err := user.Lookup(User)
	if err != nil {
		return nil, "", fmt.Errorf("tests started by root run as %q, whom the Debian package postgresql-common makes: %w", User, err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, "", err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, u.HomeDir, nil
}

// PostgresBin is the folder with PostgreSQL's programs: REGENT_TEST_PGBIN, else
// the newest of Debian's.
func PostgresBin(tb testing.TB) string {
	tb.Helper()
	if dir := os.Getenv("REGENT_TEST_PGBIN"); dir != "" {
		return dir
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(dirs) == 0 {
		tb.Fatal("no PostgreSQL server found: apt-get install postgresql-15, or set REGENT_TEST_PGBIN to the folder with its programs")
	}
	slices.SortFunc(dirs, func(a, b string) int { return major(a) - major(b) })
	return filepath.Dir(dirs[len(dirs)-1])
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}
