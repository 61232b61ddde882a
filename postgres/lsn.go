package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, in bytes. Zero is invalid and means
// unknown (PostgreSQL documentation, "pg_lsn Type").
type LSN uint64

// String writes the position as PostgreSQL does: two halves in hexadecimal.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads a position as PostgreSQL writes it.
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("postgres: %q is no WAL position: it must look like 16/B374D848", s)
	}
	return LSN(h<<32 | l), nil
}
