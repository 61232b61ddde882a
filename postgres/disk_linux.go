package postgres

import (
	"fmt"
	"syscall"
)

// segmentSize is that of a WAL segment where the control file doesn't tell:
// PostgreSQL's default.
const segmentSize = 16 << 20

// fullDisks says which of the disks under the data directory and its WAL have
// less room than a segment of WAL takes. PostgreSQL often doesn't: it tells what
// it couldn't write, not why. Empty: there is room.
func (s *Server) fullDisks(c *Control) string {
	least := uint64(segmentSize)
	if c != nil && c.WALSegmentSize > 0 {
		least = uint64(c.WALSegmentSize)
	}
	for _, dir := range []string{s.opts.DataDir, s.dataPath("pg_wal")} {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil || fs.Bsize <= 0 {
			continue
		}
		if fs.Bavail < least/uint64(fs.Bsize) {
			return fmt.Sprintf("no space left on device: less than %d MB are free for %s", least>>20, dir)
		}
	}
	return ""
}
