package fence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// The run directory holds one folder for each data directory, and that the
// guard's socket, its lock, its latch, its log and the lease file. It must be on
// this machine, survive a restart of the agent, and be the same for all who
// manage the data directory. It is never inside the data directory, which may be
// cloned, renamed or removed. What lies in it after a reboot proves nothing and
// may be gone.
//
// By default it is the first of /run/regent and /run/postgresql/regent that the
// user can have: the first is a package's or an administrator's to make, the
// parent of the second comes with PostgreSQL's packages. Else it is
// /tmp/regent-UID. $XDG_RUNTIME_DIR is not used: it ends with a login session.

// maxSocketPath is what sockaddr_un holds (unix(7)), less the final zero.
const maxSocketPath = 107

// DefaultRunDir returns the run directory for the present user.
func DefaultRunDir() string {
	for _, parent := range []string{"/run", "/run/postgresql"} {
		dir := filepath.Join(parent, "regent")
		if usable(dir) == nil || os.Mkdir(dir, 0o700) == nil {
			return dir
		}
	}
	return "/tmp/regent-" + strconv.Itoa(os.Getuid())
}

// usable says why dir isn't a directory that is ours alone to write.
func usable(dir string) error {
	st, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !st.IsDir():
		return fmt.Errorf("%s isn't a directory", dir)
	case !ownedByUs(st):
		return fmt.Errorf("%s belongs to another user", dir)
	case st.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %v)", dir, st.Mode().Perm())
	}
	return nil
}

// place is one data directory's folder in a run directory.
type place string

func (p place) socket() string { return filepath.Join(string(p), "guard.sock") }
func (p place) latch() string  { return filepath.Join(string(p), "latch") }
func (p place) lease() string  { return filepath.Join(string(p), "lease") }
func (p place) log() string    { return filepath.Join(string(p), "guard.log") }
func (p place) pid() string    { return filepath.Join(string(p), "guard.pid") }

// placeOf names the folder without touching it. It goes by the directory that
// the data directory lies in, and its name there: the folder stays the same when
// the data directory is set aside and made anew, and differently written paths
// lead to one folder.
func placeOf(runDir, dataDir string) (place, error) {
	resolved, err := resolve(dataDir)
	if err != nil {
		return "", err
	}
	parent, err := identify(filepath.Dir(resolved))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%d/%s", parent.device, parent.inode, filepath.Base(resolved)))
	p := place(filepath.Join(runDir, hex.EncodeToString(sum[:8])))
	if n := len(p.socket()); n > maxSocketPath {
		return "", fmt.Errorf("the run directory %q is too long: with it the guard's socket has %d bytes, at most %d are possible", runDir, n, maxSocketPath)
	}
	return p, nil
}

// resolve is the data directory's path without symbolic links.
func resolve(dataDir string) (string, error) {
	if !filepath.IsAbs(dataDir) {
		return "", fmt.Errorf("the data directory %q isn't an absolute path", dataDir)
	}
	for range 40 { // a link is followed also to where nothing is yet
		target, err := os.Readlink(dataDir)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(dataDir), target)
		}
		dataDir = target
	}
	resolved, err := filepath.EvalSymlinks(dataDir)
	if err != nil {
		// It need not be there yet.
		parent, perr := filepath.EvalSymlinks(filepath.Dir(dataDir))
		if perr != nil {
			return "", fmt.Errorf("the data directory's parent: %w", perr)
		}
		resolved = filepath.Join(parent, filepath.Base(dataDir))
	}
	return resolved, nil
}

// make creates the folder and the run directory, and makes sure that both are
// ours alone.
func (p place) make() error {
	for _, dir := range []string{filepath.Dir(string(p)), string(p)} {
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return fmt.Errorf("make the run directory: %w", err)
		}
		if err := usable(dir); err != nil {
			return fmt.Errorf("the run directory must be ours alone: %w", err)
		}
	}
	return nil
}
