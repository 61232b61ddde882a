//go:build !linux

package postgres

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func changed(fs.FileInfo) (at time.Time, known bool) { return time.Time{}, false }

func makePipe(dir *os.File, name string) error {
	return syscall.Mkfifo(filepath.Join(dir.Name(), name), 0o600)
}
