package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/regent-ha/regent/internal/value"
	"github.com/regent-ha/regent/postgres"
)

// Besides the parameters that package postgres manages, these count in the
// cluster's configuration alone.
const (
	walKeepSize     = "wal_keep_size"
	walKeepSegments = "wal_keep_segments" // until PostgreSQL 12; read as wal_keep_size
)

// fixed are parameters that nobody can set: they follow from other settings.
var fixed = []string{"listen_addresses", "port", "cluster_name"}

// isManaged says whether a parameter must be equal on all members, or follows
// from a member's place in the cluster.
func isManaged(name string) bool {
	_, _, shared := postgres.Managed(name, "")
	return shared || name == walKeepSize || name == walKeepSegments || slices.Contains(fixed, name)
}

// managedParameters reads the managed ones of the cluster's configuration. What
// can't be used is warned about and replaced by its default.
func managedParameters(path string, shared map[string]any, r *report) map[string]string {
	parameters := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(shared)) {
		given := shared[name]
		switch {
		case slices.Contains(fixed, name):
			r.warn(path+"."+name, "ignored: the agent sets it")
		case name == walKeepSize, name == walKeepSegments && shared[walKeepSize] == nil:
			size, err := keepSize(name, given)
			if err != nil {
				r.warn(path+"."+name, "%v; the default is used", err)
				continue
			}
			parameters[walKeepSize] = size
		default:
			text, err := value.Text(given)
			used, wrong, managed := postgres.Managed(name, text)
			switch {
			case !managed:
				continue
			case err != nil:
				r.warn(path+"."+name, "%v; %s is used", err, used)
			case wrong != "":
				r.warn(path+"."+name, "%s is not allowed: it %s; %s is used", value.Show(given), wrong, used)
			}
			parameters[name] = used
		}
	}
	return parameters
}

const (
	megabyte    = 1 << 20
	segmentSize = 16 * megabyte
)

// keepSize reads wal_keep_size, or wal_keep_segments as one.
func keepSize(name string, v any) (string, error) {
	var n int64
	var err error
	if name == walKeepSegments {
		if n, err = value.Int(v); err == nil && (n < 1 || n > 1<<26) {
			return "", fmt.Errorf("%s is not allowed: at least 1 is", value.Show(v))
		}
		n *= segmentSize
	} else if n, err = value.Bytes(v, megabyte); err == nil && (n < segmentSize || n/megabyte > 1<<31-1) {
		return "", fmt.Errorf("%s is not allowed: at least 16MB is", value.Show(v))
	}
	return strconv.FormatInt(n/megabyte, 10) + "MB", err
}
