package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Page headers of the WAL (access/xlog_internal.h); they have been the same in
// every version that we can meet.
const (
	walPageHeader     = 24
	walLongPageHeader = 40 // of a segment's first page
)

// walAlignment is that of records.
const walAlignment = 8

func align(n int) int { return (n + walAlignment - 1) &^ (walAlignment - 1) }

// recordEnd is where a record of length bytes that begins at start ends: where
// the next one would begin, and where a server that replayed it last and was
// then promoted left its timeline. A record that doesn't fit its page goes on
// after the next one's header.
func recordEnd(start LSN, length, blockSize, segmentSize int) LSN {
	room := blockSize - int(start%LSN(blockSize))
	if length <= room {
		return start + LSN(min(align(length), room))
	}
	page := start + LSN(room)
	for left := length - room; ; page += LSN(blockSize) {
		header := walPageHeader
		if page%LSN(segmentSize) == 0 {
			header = walLongPageHeader
		}
		if room = blockSize - header; left <= room {
			return page + LSN(header+align(left))
		}
		left -= room
	}
}

// waldumpLength finds a record's length in what pg_waldump prints:
//
//	rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: 0/03000028, ...
var waldumpLength = regexp.MustCompile(`len \(rec/tot\): *[0-9]+/ *([0-9]+), .* lsn: ([0-9A-F]+/[0-9A-F]+),`)

// checkpointEnd is where the record of the latest checkpoint ends. The control
// file has only its start, and its length differs by version.
func (s *Server) checkpointEnd(ctx context.Context, c *Control) (LSN, error) {
	var length int
	j := job{
		path: s.program("pg_waldump"),
		args: []string{"--path=" + s.dataPath("pg_wal"), "--timeline=" + strconv.FormatUint(uint64(c.CheckpointTimeline), 10),
			"--start=" + c.CheckpointLSN.String(), "--limit=1"},
		env: toolEnv("LC_ALL=C"), dir: "/",
		line: func(line string) {
			m := waldumpLength.FindStringSubmatch(line)
			if m == nil {
				return
			}
			if at, err := ParseLSN(m[2]); err == nil && at == c.CheckpointLSN {
				length, _ = strconv.Atoi(m[1])
			}
		},
	}
	if err := j.run(ctx); err != nil {
		return 0, fmt.Errorf("read the record of the checkpoint at %s: %w", c.CheckpointLSN, err)
	}
	if length == 0 {
		return 0, fmt.Errorf("read the record of the checkpoint at %s: pg_waldump shows none there", c.CheckpointLSN)
	}
	return recordEnd(c.CheckpointLSN, length, c.WALBlockSize, c.WALSegmentSize), nil
}

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
