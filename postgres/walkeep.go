package postgres

import (
	"cmp"
	"strconv"
	"strings"
)

// How much WAL is kept for standbys without a slot is set by wal_keep_size from
// version 13 on and by wal_keep_segments before (PostgreSQL documentation,
// "Sending Servers"). Either may be configured, and stands for the other.
const (
	walKeepSize     = "128MB"
	walKeepSegments = 8
	keptSegment     = 16 // MB, PostgreSQL's default size of a segment
)

// keepWAL returns the name and the value that a server with the known parameters
// takes. size is wal_keep_size as it was found to be good.
func keepWAL(known described, size string, configured map[string]string) (name, value string) {
	segments := lookUp(configured, "wal_keep_segments")
	n, err := strconv.Atoi(segments)
	if _, old := known["wal_keep_segments"]; !old {
		if err == nil && n >= 0 {
			segments = strconv.Itoa(n*keptSegment) + "MB"
		} else {
			segments = ""
		}
		return "wal_keep_size", cmp.Or(size, segments, walKeepSize)
	}
	if err != nil || n < 0 {
		n = walKeepSegments
		if mb, ok := megabytes(lookUp(configured, "wal_keep_size")); ok {
			n = (mb + keptSegment - 1) / keptSegment
		}
	}
	return "wal_keep_segments", strconv.Itoa(n)
}

// lookUp finds a parameter, whose name may be written in any case.
func lookUp(parameters map[string]string, name string) string {
	for given, value := range parameters {
		if strings.EqualFold(given, name) {
			return value
		}
	}
	return ""
}

// megabytes reads a size whose unit, where it has none, is MB.
func megabytes(text string) (int, bool) {
	unit := 1
	for _, u := range []struct {
		name string
		mb   int
	}{{"MB", 1}, {"GB", 1 << 10}, {"TB", 1 << 20}} {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.mb
			break
		}
	}
	n, err := strconv.Atoi(text)
	return n * unit, err == nil && n >= 0
}
