package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func runControldata(ctx context.Context, program, dataDir string) (Control, error) {
	var out strings.Builder
	j := job{path: program, args: []string{dataDir}, env: toolEnv("LC_ALL=C"), dir: "/",
		line: func(l string) { out.WriteString(l + "\n") }}
	if err := j.run(ctx); err != nil {
		return Control{}, err
	}
	return parseControl(out.String())
}

// parseControl reads what pg_controldata prints in the C locale. A field that a
// major version doesn't have stays zero; what every version has must be there.
func parseControl(text string) (Control, error) {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if strings.Contains(line, "CRC checksum does not match") {
			return Control{}, errControlChecksum
		}
		if label, value, ok := strings.Cut(line, ":"); ok {
			fields[label] = strings.TrimSpace(value)
		}
	}
	p := controlParser{fields: fields}
	c := Control{
		SystemID:                p.text("Database system identifier"),
		State:                   p.text("Database cluster state"),
		CheckpointLSN:           p.lsn("Latest checkpoint location"),
		CheckpointTimeline:      Timeline(p.number("Latest checkpoint's TimeLineID")),
		MinRecoveryLSN:          p.lsn("Minimum recovery ending location"),
		MinRecoveryTimeline:     Timeline(p.number("Min recovery ending loc's timeline")),
		CatalogVersion:          p.number("Catalog version number"),
		WALBlockSize:            p.number("WAL block size"),
		WALSegmentSize:          p.number("Bytes per WAL segment"),
		DataChecksums:           p.optional("Data page checksum version") != 0,
		WALLogHints:             fields["wal_log_hints setting"] == "on",
		MaxConnections:          p.optional("max_connections setting"),
		MaxWorkerProcesses:      p.optional("max_worker_processes setting"),
		MaxWALSenders:           p.optional("max_wal_senders setting"),
		MaxPreparedTransactions: p.optional("max_prepared_xacts setting"),
		MaxLocksPerTransaction:  p.optional("max_locks_per_xact setting"),
	}
	return c, p.err
}

// controlParser keeps the first error.
type controlParser struct {
	fields map[string]string
	err    error
}

func (p *controlParser) text(label string) string {
	value := p.fields[label]
	if value == "" {
		p.fail(label, "is missing")
	}
	return value
}

func (p *controlParser) lsn(label string) LSN {
	l, err := ParseLSN(p.text(label))
	if err != nil {
		p.fail(label, "isn't a WAL position")
	}
	return l
}

func (p *controlParser) number(label string) int {
	n, err := strconv.Atoi(p.text(label))
	if err != nil {
		p.fail(label, "isn't a number")
	}
	return n
}

func (p *controlParser) optional(label string) int {
	if p.fields[label] == "" {
		return 0
	}
	return p.number(label)
}

func (p *controlParser) fail(label, what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%q %s in what pg_controldata printed", label, what)
	}
}
