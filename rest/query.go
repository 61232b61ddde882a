package rest

import (
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/value"
)

// query is what a health check is asked with. The first value of a repeated
// parameter counts.
type query url.Values

func (q query) first(name string) (string, bool) {
	values := q[name]
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// bytes reads a size, as 1048576, 16kB or 1GB; otherwise if it is absent or none.
func (q query) bytes(name string, otherwise int64) int64 {
	text, given := q.first(name)
	if !given {
		return otherwise
	}
	n, err := value.Bytes(text, 1)
	if err != nil {
		return otherwise
	}
	return n
}

// lagging says whether a standby at position has less than the leader by more
// than the parameter lag.
func (q query) lagging(leaderAt, position uint64) bool {
	return lags(leaderAt, position, q.bytes("lag", math.MaxInt64))
}

func lags(leaderAt, position uint64, limit int64) bool {
	return leaderAt > position && leaderAt-position > uint64(max(limit, 0))
}

func (q query) replicationMatches(state string) bool {
	wanted, given := q.first("replication_state")
	return !given || wanted == state
}

// tagsMatch says whether the member has each tag that a parameter tag_NAME names,
// with that value.
func (q query) tagsMatch(tags dcs.Tags) bool {
	for name := range q {
		tag, ok := strings.CutPrefix(name, "tag_")
		if !ok {
			continue
		}
		wanted, _ := q.first(name)
		if tags[tag] == nil || tagText(tags[tag]) != wanted {
			return false
		}
	}
	return true
}

// tagText is a tag's value as it is written in a parameter.
func tagText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return strings.ToLower(fmt.Sprint(v))
}
