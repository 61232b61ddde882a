package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/regent-ha/regent/internal/servers"
)

// becomeUser replaces this process, which root started, by one of the user's,
// whom PostgreSQL lets run. The programs are copied to where that user can reach
// them: they may lie below a folder of root's alone. It returns only an error.
func becomeUser(o Options) (err error) {
	u, err := user.Lookup(o.User)
	if err != nil {
		return fmt.Errorf("PostgreSQL doesn't run as root, and --user %s is nobody: %w", o.User, err)
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if err := errors.Join(errUID, errGID); err != nil {
		return err
	}
	if uid == 0 {
		return fmt.Errorf("--user %s is root, as whom PostgreSQL doesn't run", o.User)
	}
	dir, err := os.MkdirTemp("", "regent-demo-")
	if err != nil {
		return err
	}
	defer func() { os.RemoveAll(dir) }() // only after a failure: else there is no after
	bin := filepath.Join(dir, "bin")
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	regent := filepath.Join(bin, "regent")
	store, err := o.findStore()
	if err != nil {
		return err
	}
	programs := store.Built
	if ctl := beside("regentctl"); ctl != "" {
		programs = append(programs, ctl)
	}
	if err := copyProgram(self, regent); err != nil {
		return err
	}
	for _, p := range programs {
		if err := copyProgram(p, filepath.Join(bin, filepath.Base(p))); err != nil {
			return err
		}
	}
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, uid, gid))
	})
	if err != nil {
		return err
	}
	args := []string{regent, "demo", "--dir", dir, "--temporary", "--store", o.Store, "--postgres-bin", o.PostgresBin}
	if o.Check {
		args = append(args, "--check")
	}
	if o.Keep {
		args = append(args, "--keep")
	}
	fmt.Fprintf(o.Out, "PostgreSQL doesn't run as root: going on as user %s\n", o.User)
	// syscall's functions change all threads of the process.
	if err := errors.Join(syscall.Setgroups([]int{gid}), syscall.Setgid(gid), syscall.Setuid(uid), os.Chdir(dir)); err != nil {
		return fmt.Errorf("become user %s: %w", o.User, err)
	}
	env := []string{"HOME=" + u.HomeDir, "USER=" + o.User}
	env = append(env, servers.FolderVar+"="+bin)
	for _, name := range []string{"PATH", "TERM", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return fmt.Errorf("run %s: %w", regent, syscall.Exec(regent, args, env))
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
