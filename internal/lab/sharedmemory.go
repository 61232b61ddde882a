package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lineSharedMemory of postmaster.pid has key and id of the System V segment
// that interlocks the data directory (PostgreSQL's pidfile.h).
const lineSharedMemory = 7

// removeSharedMemory removes the segments that killed postmasters left behind
// under dir; the kernel holds only a few thousand.
func removeSharedMemory(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*", "postmaster.pid"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		lines := strings.Split(string(text), "\n")
		if len(lines) < lineSharedMemory {
			continue
		}
		fields := strings.Fields(lines[lineSharedMemory-1])
		if len(fields) != 2 {
			continue
		}
		id, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		var desc unix.SysvShmDesc
		if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &desc); err != nil || desc.Nattch != 0 {
			continue
		}
		if key, err := strconv.ParseInt(fields[0], 10, 64); err == nil && int32(key) == desc.Perm.Key {
			unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
	}
}
