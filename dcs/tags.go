package dcs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Tags are a member's tags as configured: any names, and some that mean
// something to us.
type Tags map[string]any

// Bool reads a tag as true or false; false if it is absent or neither. on, yes
// and 1 are true, also as strings.
func (t Tags) Bool(name string) bool {
	value, _ := t.boolean(name)
	return value
}

func (t Tags) boolean(name string) (value, ok bool) {
	if t[name] == nil {
		return false, false
	}
	return parseBool(t.String(name))
}

// Int reads a tag as a whole number; otherwise if it is absent or none.
func (t Tags) Int(name string, otherwise int) int {
	n, err := strconv.Atoi(strings.TrimSpace(t.String(name)))
	if err != nil {
		return otherwise
	}
	return n
}

// String is a tag as text; empty if it is absent, a list or a map.
func (t Tags) String(name string) string {
	switch v := t[name].(type) {
	case string:
		return v
	case bool, int, int64, uint64, float64, json.Number:
		return fmt.Sprint(v)
	}
	return ""
}

// NoFailover says that the member must never lead: the tag nofailover, or a
// failover_priority of zero or less. Where both are set the former decides.
func (t Tags) NoFailover() bool { return t.FailoverPriority() <= 0 }

// FailoverPriority ranks candidates whose WAL is equal, the highest first; zero
// means never. One if nothing is said.
func (t Tags) FailoverPriority() int { return t.priority("nofailover", "failover_priority") }

// NoSync says that the member must not be a synchronous standby: the tag nosync,
// or a sync_priority of zero or less.
func (t Tags) NoSync() bool { return t.SyncPriority() <= 0 }

// SyncPriority ranks synchronous standbys, the highest first; zero means never.
func (t Tags) SyncPriority() int { return t.priority("nosync", "sync_priority") }

func (t Tags) priority(never, rank string) int {
	excluded, said := t.boolean(never)
	priority := max(t.Int(rank, 1), 0)
	switch {
	case excluded:
		return 0
	case said && priority == 0:
		return 1
	}
	return priority
}

// CloneFrom says that base backups are preferably taken from this member.
func (t Tags) CloneFrom() bool { return t.Bool("clonefrom") }

// NoLoadBalance says that the member isn't to be offered for reads.
func (t Tags) NoLoadBalance() bool { return t.Bool("noloadbalance") }

// NoStream says that the member follows the archive only.
func (t Tags) NoStream() bool { return t.Bool("nostream") }

// ReplicateFrom names the member to replicate from; empty: the leader.
func (t Tags) ReplicateFrom() string { return t.String("replicatefrom") }
