package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/internal/value"
)

// managed is a parameter that must be equal on all members, or that a member's
// place in the cluster depends on. It is given to the postmaster on its command
// line, so that ALTER SYSTEM can't change it.
type managed struct {
	name, fallback string
	read           func(v any) (string, error) // nil: not settable
}

// managedTable has the defaults and what is accepted.
var managedTable = []managed{
	{"listen_addresses", "", nil},
	{"port", "", nil},
	{"cluster_name", "", nil},
	{"hot_standby", "on", onlyOn},
	{"wal_level", "replica", walLevel},
	{"max_connections", "100", atLeast(25)},
	{"max_wal_senders", "10", atLeast(3)},
	{"max_prepared_transactions", "0", atLeast(0)},
	{"max_locks_per_transaction", "64", atLeast(32)},
	{"max_worker_processes", "8", atLeast(2)},
	{"max_replication_slots", "10", atLeast(4)},
	{"track_commit_timestamp", "off", onOrOff},
	{"wal_log_hints", "on", onOrOff},
	{"wal_keep_size", "128MB", keepSize},
	{"wal_keep_segments", "", nil}, // until PostgreSQL 12; read as wal_keep_size
}

func isManaged(name string) bool {
	return slices.ContainsFunc(managedTable, func(m managed) bool { return m.name == name })
}

// managedParameters reads the managed ones of the cluster's configuration. What
// can't be used is warned about and replaced by its default.
func managedParameters(path string, shared map[string]any, r *report) map[string]string {
	parameters := map[string]string{}
	if n, ok := shared["wal_keep_segments"]; ok && shared["wal_keep_size"] == nil {
		if size, err := segmentsAsSize(n); err != nil {
			r.warn(path+".wal_keep_segments", "%v; wal_keep_size %s is used", err, "128MB")
		} else {
			parameters["wal_keep_size"] = size
		}
	}
	for _, m := range managedTable {
		v, given := shared[m.name]
		switch {
		case m.name == "wal_keep_segments":
			continue
		case m.read == nil && given:
			r.warn(path+"."+m.name, "ignored: the agent sets it")
		case m.read != nil && given:
			text, err := m.read(v)
			if err != nil {
				r.warn(path+"."+m.name, "%v; %s is used", err, m.fallback)
				text = m.fallback
			}
			parameters[m.name] = text
		case m.read != nil && parameters[m.name] == "":
			parameters[m.name] = m.fallback
		}
	}
	return parameters
}

func atLeast(least int64) func(v any) (string, error) {
	return func(v any) (string, error) {
		n, err := value.Int(v)
		if err != nil {
			return "", err
		}
		if n < least || n > 1<<31-1 {
			return "", fmt.Errorf("%s is not allowed: at least %d is", value.Show(v), least)
		}
		return strconv.FormatInt(n, 10), nil
	}
}

func onOrOff(v any) (string, error) {
	on, err := value.Bool(v)
	if on {
		return "on", err
	}
	return "off", err
}

func onlyOn(v any) (string, error) {
	if on, err := value.Bool(v); err != nil || !on {
		return "", fmt.Errorf("%s is not allowed: only on is", value.Show(v))
	}
	return "on", nil
}

func walLevel(v any) (string, error) {
	switch level := strings.ToLower(fmt.Sprint(v)); level {
	case "hot_standby", "replica":
		return "replica", nil
	case "logical":
		return level, nil
	}
	return "", fmt.Errorf("%s is not allowed: replica or logical is", value.Show(v))
}

const (
	megabyte    = 1 << 20
	segmentSize = 16 * megabyte
)

func keepSize(v any) (string, error) {
	n, err := value.Bytes(v, megabyte)
	if err != nil {
		return "", err
	}
	if n < segmentSize || n/megabyte > 1<<31-1 {
		return "", fmt.Errorf("%s is not allowed: at least 16MB is", value.Show(v))
	}
	return strconv.FormatInt(n/megabyte, 10) + "MB", nil
}

func segmentsAsSize(v any) (string, error) {
	n, err := value.Int(v)
	if err != nil {
		return "", err
	}
	if n < 1 || n > 1<<26 {
		return "", fmt.Errorf("%s is not allowed: at least 1 is", value.Show(v))
	}
	return keepSize(n * 16)
}
