package postgres

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// changed is when a file's content, name or attributes last changed, by the kernel's
// word: tools that restore files can't set it.
func changed(info fs.FileInfo) (at time.Time, known bool) {
	st, known := info.Sys().(*syscall.Stat_t)
	if known {
		at = time.Unix(st.Ctim.Unix())
	}
	return at, known
}

// makePipe makes a named pipe in an open directory.
func makePipe(dir *os.File, name string) error {
	return unix.Mkfifoat(int(dir.Fd()), name, 0o600)
}
