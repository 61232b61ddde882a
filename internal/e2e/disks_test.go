package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

// disksVar has the directory of a lab whose nodes a and b have their data on
// small disks of their own. Only root can make those.
const disksVar = "REGENT_TEST_DISKS"

// diskSize has room for a cluster that hasn't much to store.
const diskSize = "160m"

// withDisks runs the tests with those disks below dir, where it may mount them.
func withDisks(dir string, run func() int) (int, error) {
	if os.Getuid() != 0 {
		return run(), nil
	}
	root := filepath.Join(dir, "lab")
	uid, gid, err := owner()
	if err != nil {
		return 0, err
	}
	for _, node := range []string{"a", "b"} {
		data := filepath.Join(root, node, "data")
		if err := os.MkdirAll(data, 0o700); err != nil {
			return 0, err
		}
		options := fmt.Sprintf("size=%s,mode=0700,uid=%d,gid=%d", diskSize, uid, gid)
		if err := syscall.Mount("tmpfs", data, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: no small disks: mount %s: %v\n", data, err)
			return run(), nil
		}
		defer syscall.Unmount(data, syscall.MNT_DETACH)
		if err := os.Chown(filepath.Dir(data), uid, gid); err != nil {
			return 0, err
		}
	}
	if err := os.Chown(root, uid, gid); err != nil {
		return 0, err
	}
	os.Setenv(disksVar, root)
	return run(), nil
}

func owner() (uid, gid int, err error) {
	u, err := user.Lookup(testenv.User)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// disks is the directory of that lab, without what a test before has left on them.
func disks(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(disksVar)
	if dir == "" {
		t.Fatal("a disk that can be filled must be mounted, which takes root: run the tests as root, who becomes another user for them")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil && !errors.Is(err, syscall.EBUSY) {
			t.Fatal(err) // of a disk itself, only what is on it can be removed
		}
	}
	return dir
}

// ballast fills a disk.
type ballast string

// fill takes all the room that is left where dir is, until drop.
func fill(t *testing.T, dir string) ballast {
	t.Helper()
	b := ballast(filepath.Join(dir, ".ballast"))
	f, err := os.Create(string(b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return b
}

func (b ballast) drop(t *testing.T) {
	t.Helper()
	if err := os.Remove(string(b)); err != nil {
		t.Error(err)
	}
}
