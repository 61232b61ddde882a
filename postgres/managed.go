package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// managed is a parameter that all members of a cluster must agree on. It stands
// on the postmaster's command line, so that ALTER SYSTEM can't change it.
type managed struct {
	name     string
	standard string
	least    int  // smallest number; -1: it is no number
	boolean  bool // "on" or "off"
	// control is the value that a standby needs at least, since its primary had
	// it (PostgreSQL documentation, "Hot Standby Administration").
	control func(*Control) int
}

// managedParameters are in the order of the command line, after
// listen_addresses, port and cluster_name.
var managedParameters = []managed{
	{name: "wal_level", standard: "replica", least: -1},
	{name: "hot_standby", standard: "on", boolean: true},
	{name: "max_connections", standard: "100", least: 25, control: func(c *Control) int { return c.MaxConnections }},
	{name: "max_wal_senders", standard: "10", least: 3, control: func(c *Control) int { return c.MaxWALSenders }},
	{name: "max_prepared_transactions", standard: "0", least: 0, control: func(c *Control) int { return c.MaxPreparedTransactions }},
	{name: "max_locks_per_transaction", standard: "64", least: 32, control: func(c *Control) int { return c.MaxLocksPerTransaction }},
	{name: "track_commit_timestamp", standard: "off", boolean: true},
	{name: "max_replication_slots", standard: "10", least: 4},
	{name: "max_worker_processes", standard: "8", least: 2, control: func(c *Control) int { return c.MaxWorkerProcesses }},
	{name: "wal_log_hints", standard: "on", boolean: true},
}

// Managed is what a parameter becomes that all members of a cluster must agree
// on, and that only its common configuration can set: its value when configured
// is given there (empty: nothing is), and what is wrong with that (empty:
// nothing is). ok says whether name is of such a one.
func Managed(name, configured string) (value, wrong string, ok bool) {
	i := slices.IndexFunc(managedParameters, func(m managed) bool { return m.name == name })
	if i < 0 {
		return "", "", false
	}
	value, wrong = managedParameters[i].value(configured)
	return value, wrong, true
}

// value is what m becomes when configured is given. The text says what is wrong
// with that, or is empty.
func (m managed) value(configured string) (value, wrong string) {
	switch {
	case configured == "":
		return m.standard, ""
	case m.name == "hot_standby":
		if on, ok := parseBool(configured); !ok || !on {
			return m.standard, "must be on"
		}
		return "on", ""
	case m.boolean:
		on, ok := parseBool(configured)
		if !ok {
			return m.standard, "must be on or off"
		}
		return onOff(on), ""
	case m.name == "wal_level":
		switch strings.ToLower(configured) {
		case "hot_standby", "replica":
			return "replica", ""
		case "logical":
			return "logical", ""
		}
		return m.standard, "must be replica or logical"
	}
	if n, err := strconv.ParseInt(configured, 10, 32); err != nil || n < int64(m.least) {
		return m.standard, fmt.Sprintf("must be a number of at least %d", m.least)
	}
	return configured, ""
}

// parseBool reads what PostgreSQL takes for a boolean, prefixes included
// (PostgreSQL documentation, "Parameter Names and Values").
func parseBool(text string) (value, ok bool) {
	text = strings.ToLower(text)
	switch {
	case text == "":
		return false, false
	case text == "1" || text == "on" || strings.HasPrefix("true", text) || strings.HasPrefix("yes", text):
		return true, true
	case text == "0" || len(text) > 1 && strings.HasPrefix("off", text) || strings.HasPrefix("false", text) || strings.HasPrefix("no", text):
		return false, true
	}
	return false, false
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
