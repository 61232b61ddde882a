package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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

// headerAt is the length of the header of the page that begins there.
func headerAt(page LSN, segmentSize int) int {
	if page%LSN(segmentSize) == 0 {
		return walLongPageHeader
	}
	return walPageHeader
}

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
		header := headerAt(page, segmentSize)
		if room = blockSize - header; left <= room {
			return page + LSN(header+align(left))
		}
		left -= room
	}
}

// Offsets in a record's header (access/xlogrecord.h), the same in every version
// that we can meet: total length, 16 bytes that don't matter here, flags, resource
// manager, checksum.
const (
	recordFlags    = 16
	recordManager  = 17
	recordChecksum = 20
	recordHeader   = 24
)

// What tells the record of a checkpoint: that of a shutdown or that of a running
// server, by the resource manager XLOG (catalog/pg_control.h, access/rmgrlist.h).
const (
	managerXLOG        = 0
	flagsOfManager     = 0xF0
	checkpointShutdown = 0x00
	checkpointOnline   = 0x10
)

// longestCheckpoint bounds the length of a checkpoint's record: it has 114 to
// 120 bytes so far.
const longestCheckpoint = 1 << 10

// checkpointEnd is where the record of the latest checkpoint ends. The control
// file has only its start, and its length differs by version.
func (s *Server) checkpointEnd(c *Control) (LSN, error) {
	end, err := s.readCheckpoint(c)
	if err != nil {
		return 0, fmt.Errorf("read the record of the checkpoint at %s: %w", c.CheckpointLSN, err)
	}
	return end, nil
}

var errNoCheckpoint = errors.New("there is none in pg_wal")

func (s *Server) readCheckpoint(c *Control) (LSN, error) {
	read := func(to LSN) ([]byte, error) {
		from, raw, err := s.readWAL(c.CheckpointTimeline, c.CheckpointLSN, to, c.WALSegmentSize)
		if err == nil && from != c.CheckpointLSN {
			err = errNoCheckpoint
		}
		return raw, err
	}
	raw, err := read(c.CheckpointLSN + 4)
	if err != nil {
		return 0, err
	}
	length := int(binary.NativeEndian.Uint32(raw))
	if length < recordHeader || length > longestCheckpoint {
		return 0, errNoCheckpoint
	}
	end := recordEnd(c.CheckpointLSN, length, c.WALBlockSize, c.WALSegmentSize)
	if raw, err = read(end); err != nil {
		return 0, err
	}
	if !isCheckpoint(unpaged(raw, c.CheckpointLSN, c.WALBlockSize, c.WALSegmentSize)[:length]) {
		return 0, errNoCheckpoint
	}
	return end, nil
}

// unpaged is WAL that begins at start inside a page, without the headers of the
// pages after that.
func unpaged(raw []byte, start LSN, blockSize, segmentSize int) []byte {
	var out []byte
	for at := start; ; {
		room := min(len(raw), blockSize-int(at%LSN(blockSize)))
		out, raw, at = append(out, raw[:room]...), raw[room:], at+LSN(room)
		if len(raw) == 0 {
			return out
		}
		header := headerAt(at, segmentSize)
		raw, at = raw[header:], at+LSN(header)
	}
}

// isCheckpoint says whether record is a whole record of a checkpoint. Its
// checksum covers what follows the header, then the header.
func isCheckpoint(record []byte) bool {
	sum := crc32.Update(0, castagnoli, record[recordHeader:])
	sum = crc32.Update(sum, castagnoli, record[:recordChecksum])
	flags := record[recordFlags] & flagsOfManager
	return sum == binary.NativeEndian.Uint32(record[recordChecksum:]) &&
		record[recordManager] == managerXLOG && (flags == checkpointShutdown || flags == checkpointOnline)
}
