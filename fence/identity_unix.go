//go:build unix

package fence

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// identity is a directory's, by whatever name.
type identity struct{ device, inode uint64 }

func identify(path string) (identity, error) {
	st, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	sys := st.Sys().(*syscall.Stat_t)
	return identity{uint64(sys.Dev), uint64(sys.Ino)}, nil
}

func (i identity) String() string { return fmt.Sprintf("%d:%d", i.device, i.inode) }

func ownedByUs(st fs.FileInfo) bool { return int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid() }
