package ha

import (
	"errors"
	"strings"
	"time"
)

// SynchronousMode is how the synchronous standbys are chosen.
type SynchronousMode string

// Synchronous modes.
const (
	SynchronousOff    SynchronousMode = "off"
	SynchronousOn     SynchronousMode = "on"     // a fixed list, the first of it must confirm
	SynchronousQuorum SynchronousMode = "quorum" // any of a set must confirm
)

// Settings are what a cluster has in common: the keys of its dynamic
// configuration, less those under "postgresql". They hold for all members at
// once and change at run time.
type Settings struct {
	TTL          time.Duration // of the leader's lease, whole seconds
	LoopWait     time.Duration // longest pause between two looks, whole seconds
	RetryTimeout time.Duration // how long a request to the store or to PostgreSQL is tried again, whole seconds

	MaximumLagOnFailover int64 // bytes that a candidate may lack
	MaximumLagOnSyncnode int64 // bytes that a synchronous standby may lag; 0 or less: no limit
	MaxTimelinesHistory  int   // lines kept in the history document; 0: all
	CheckTimeline        bool  // a candidate must be on the cluster's latest timeline

	PrimaryStartTimeout time.Duration // how long a crashed primary may recover before another is chosen; 0: none
	PrimaryStopTimeout  time.Duration // how long a demoted primary may take to stop, in synchronous mode; 0: no limit
	PrimaryStallTimeout time.Duration // how long a primary may answer no new connection before it gives way; 0: for ever

	Failsafe bool // members pledge to a leader whose store is unreachable
	Pause    bool // maintenance: no automatic change of roles

	SynchronousMode       SynchronousMode
	SynchronousModeStrict bool // no write is confirmed without a synchronous standby
	SynchronousNodeCount  int

	StandbyCluster map[string]any   // where a standby cluster gets its WAL from; see Standby
	Slots          map[string]any   // permanent slots by name
	IgnoreSlots    []map[string]any // slots that are left alone, each by its name, type, database or plugin
	MemberSlotsTTL time.Duration    // how long a gone member's slot is kept; 0: not at all
}

// Standby says whether the whole cluster follows another one.
func (s Settings) Standby() bool {
	for _, key := range []string{"host", "port", "restore_command"} {
		switch s.StandbyCluster[key] {
		case nil, "", 0, 0.0:
		default:
			return true
		}
	}
	return false
}

// DefaultSettings are those of a cluster that configures nothing.
func DefaultSettings() Settings {
	return Settings{
		TTL:                  30 * time.Second,
		LoopWait:             10 * time.Second,
		RetryTimeout:         10 * time.Second,
		MaximumLagOnFailover: 1 << 20,
		MaximumLagOnSyncnode: -1,
		PrimaryStartTimeout:  5 * time.Minute,
		PrimaryStallTimeout:  30 * time.Second,
		SynchronousMode:      SynchronousOff,
		SynchronousNodeCount: 1,
		MemberSlotsTTL:       30 * time.Minute,
	}
}

// ParseSettings reads a cluster's dynamic configuration as it was decoded from
// JSON or YAML. Numbers may be text with a unit, switches may be words. What
// isn't given has its default.
//
// Timeouts below the floors are raised, and those that don't fit together are
// lowered, each with a warning; unknown keys are warned about too. Everything
// that can't be used is in the one error, a line for each key: keep the settings
// that you have then. "postgresql" is left to others. Zero floors are CommonFloors.
func ParseSettings(values map[string]any, floors Floors) (s Settings, warnings []string, err error) {
	if floors == (Floors{}) {
		floors = CommonFloors()
	}
	p := parser{values: values, seen: map[string]bool{"postgresql": true}}
	s = DefaultSettings()
	p.duration("ttl", &s.TTL)
	p.duration("loop_wait", &s.LoopWait)
	p.duration("retry_timeout", &s.RetryTimeout)
	p.size("maximum_lag_on_failover", &s.MaximumLagOnFailover, 0)
	p.size("maximum_lag_on_syncnode", &s.MaximumLagOnSyncnode, -1)
	p.count("max_timelines_history", &s.MaxTimelinesHistory, 0)
	p.flag("check_timeline", &s.CheckTimeline)
	p.duration("primary_start_timeout", &s.PrimaryStartTimeout)
	p.duration("primary_stop_timeout", &s.PrimaryStopTimeout)
	p.flag("failsafe_mode", &s.Failsafe)
	p.flag("pause", &s.Pause)
	p.synchronousMode(&s.SynchronousMode)
	p.flag("synchronous_mode_strict", &s.SynchronousModeStrict)
	p.count("synchronous_node_count", &s.SynchronousNodeCount, 1)
	p.table("standby_cluster", &s.StandbyCluster)
	p.slots(&s.Slots)
	p.tables("ignore_slots", &s.IgnoreSlots)
	p.duration("member_slots_ttl", &s.MemberSlotsTTL)
	if len(p.problems) == 0 {
		p.warnings = append(p.warnings, s.fit(floors, p.refuse)...)
	}
	s.PrimaryStallTimeout = s.TTL
	p.duration("primary_stall_timeout", &s.PrimaryStallTimeout)
	p.unknown()
	if len(p.problems) > 0 {
		return Settings{}, p.warnings, errors.New(strings.Join(p.problems, "\n"))
	}
	return s, p.warnings, nil
}
