package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// controlChecksum is where the checksum of a control file lies whose version we
// know; it covers all before it. The fields that we read lie at the same place
// in all of them (PostgreSQL's catalog/pg_control.h, on machines of 64 bits).
var controlChecksum = map[uint32]int{
	1300: 288, // PostgreSQL 13 to 16
	1700: 288, // PostgreSQL 17: wal_level fills a gap in the copy of the checkpoint
	1800: 292, // PostgreSQL 18: default_char_signedness stands before the nonce
}

// Offsets in the control file.
const (
	controlSystemID            = 0
	controlVersion             = 8
	controlCatalogVersion      = 12
	controlState               = 16
	controlCheckpoint          = 32
	controlCheckpointTimeline  = 48
	controlMinRecovery         = 136
	controlMinRecoveryTimeline = 144
	controlWALLogHints         = 176
	controlMaxConnections      = 180
	controlMaxWorkers          = 184
	controlMaxWALSenders       = 188
	controlMaxPrepared         = 192
	controlMaxLocks            = 196
	controlAlignment           = 204
	controlWALBlock            = 224
	controlWALSegment          = 228
	controlDataChecksums       = 252
)

// controlStates are the DBState of the control file in pg_controldata's words.
var controlStates = []string{"starting up", shutDown, shutDownInRecovery, "shutting down", "in crash recovery", inArchiveRecovery, inProduction}

// errControlLayout: only pg_controldata of its version can read it.
var errControlLayout = errors.New("its layout isn't known")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// decodeControl reads a control file whose layout is known, as the machine wrote
// it, else returns errControlLayout.
func decodeControl(file []byte) (Control, error) {
	if len(file) < controlDataChecksums {
		return Control{}, errControlLayout
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(file[at:]) }
	number := func(at int) int { return int(int32(u32(at))) }
	position := func(at int) LSN { return LSN(binary.NativeEndian.Uint64(file[at:])) }
	sum, known := controlChecksum[u32(controlVersion)]
	switch {
	case !known || len(file) < sum+4 || u32(controlAlignment) != walAlignment:
		return Control{}, fmt.Errorf("%w (version %d)", errControlLayout, u32(controlVersion))
	case crc32.Checksum(file[:sum], castagnoli) != u32(sum):
		return Control{}, errControlChecksum
	case int(u32(controlState)) >= len(controlStates):
		return Control{}, fmt.Errorf("%w (state %d)", errControlLayout, u32(controlState))
	}
	return Control{
		SystemID:                strconv.FormatUint(binary.NativeEndian.Uint64(file[controlSystemID:]), 10),
		State:                   controlStates[u32(controlState)],
		CheckpointLSN:           position(controlCheckpoint),
		CheckpointTimeline:      Timeline(u32(controlCheckpointTimeline)),
		MinRecoveryLSN:          position(controlMinRecovery),
		MinRecoveryTimeline:     Timeline(u32(controlMinRecoveryTimeline)),
		DataChecksums:           u32(controlDataChecksums) != 0,
		WALLogHints:             file[controlWALLogHints] != 0,
		MaxConnections:          number(controlMaxConnections),
		MaxWorkerProcesses:      number(controlMaxWorkers),
		MaxWALSenders:           number(controlMaxWALSenders),
		MaxPreparedTransactions: number(controlMaxPrepared),
		MaxLocksPerTransaction:  number(controlMaxLocks),
		CatalogVersion:          number(controlCatalogVersion),
		WALBlockSize:            number(controlWALBlock),
		WALSegmentSize:          number(controlWALSegment),
	}, nil
}
