package postgres

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// segmentName is the file of timeline tl that has the byte at lsn.
func segmentName(tl Timeline, lsn LSN, segmentSize int) string {
	perID := uint64(1<<32) / uint64(segmentSize)
	n := uint64(lsn) / uint64(segmentSize)
	return fmt.Sprintf("%08X%08X%08X", uint32(tl), n/perID, n%perID)
}

// readWAL reads our WAL of tl up to a position, from another on or from the first
// one after it whose segment is still in pg_wal. It returns where that is.
func (s *Server) readWAL(tl Timeline, from, to LSN, segmentSize int) (LSN, []byte, error) {
	var out []byte
	for at := from; at < to; {
		next := min(to, at-at%LSN(segmentSize)+LSN(segmentSize))
		path := filepath.Join(s.dataPath("pg_wal"), segmentName(tl, at, segmentSize))
		part, err := readPart(path, int64(at%LSN(segmentSize)), int(next-at))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			from, out = next, nil
		case err != nil:
			return 0, nil, err
		default:
			out = append(out, part...)
		}
		at = next
	}
	return from, out, nil
}

func readPart(path string, offset int64, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	part := make([]byte, n)
	if _, err := f.ReadAt(part, offset); err != nil && err != io.EOF {
		return nil, err
	}
	return part, nil
}
