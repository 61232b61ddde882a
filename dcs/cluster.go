package dcs

import (
	"encoding/json"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Cluster is the typed view of one Snapshot. What couldn't be parsed is absent
// from it and named in Problems; a value that is odd never makes the cluster
// look absent.
type Cluster struct {
	Sent       clock.Instant
	Leader     *Holder
	Initialize Initialized
	Config     Configuration
	Members    []Member // sorted by name
	Status     Status
	Failover   Failover
	Sync       Sync
	History    History
	Failsafe   Failsafe
	Problems   []string // one line for each value that isn't what the layout says
}

// Initialized is the initialize key: Present with an empty SystemID while
// somebody bootstraps.
type Initialized struct {
	Present  bool
	SystemID string // valid: at least ten digits
	Version  Version
}

// Configuration is the dynamic configuration. Values is nil if there is none.
type Configuration struct {
	Values  map[string]any
	Version Version
}

// Member is what one agent publishes about itself.
type Member struct {
	Name string

	ConnURL                string // postgres://host:port/db
	APIURL                 string // http://host:port/patroni
	State                  string // as in the layout: "running", "creating replica", ...
	Role                   string // "primary", "replica", ...; "master" is read as "primary"
	Version                string // the Patroni version whose formats it speaks
	Regent                 string // our version; empty: not one of ours
	ProxyURL               string
	CheckpointAfterPromote *bool // false: not done yet
	Tags                   Tags
	PendingRestart         map[string]PendingChange // nil: none
	Location               uint64                   // xlog_location, bytes; 0: unknown
	ReplayLSN              uint64
	ReceiveLSN             uint64
	ReplicationState       string // "streaming", "in archive recovery"
	Timeline               uint32
	ScheduledRestart       map[string]any
	Pause                  bool
	Problem                string // ours: why the member is not what it should be, in one line

	Extra   map[string]json.RawMessage // fields that we don't know, kept
	Written Version                    // of the entry as it was read
}

// PendingChange is one PostgreSQL setting that waits for a restart.
type PendingChange struct {
	Old string `json:"old_value"`
	New string `json:"new_value"`
}

// Tags are a member's tags as configured.
type Tags map[string]any

// Status is what the leader publishes at each renewal.
type Status struct {
	Optime      uint64            // WAL position of the leader, bytes
	Slots       map[string]uint64 // slot name to LSN
	RetainSlots []string
	Extra       map[string]json.RawMessage
	Version     Version
	Present     bool
}

// Failover is a request for a switchover or a failover. Zero Leader and
// Candidate: there is none.
type Failover struct {
	Leader      string
	Candidate   string // the key's field "member"
	ScheduledAt time.Time
	Extra       map[string]json.RawMessage
	Version     Version
	Present     bool // the key exists, be it "{}"
}

// Requested says whether anybody asked for anything.
func (f Failover) Requested() bool { return f.Leader != "" || f.Candidate != "" }

// Sync is the state of synchronous replication.
type Sync struct {
	Leader  string
	Members []string
	Quorum  int
	Extra   map[string]json.RawMessage
	Version Version
	Present bool
}

// History is the cluster's timelines, oldest first. Nil with Present false: unknown.
type History struct {
	Lines   []HistoryLine
	Version Version
	Present bool
}

// HistoryLine says where a timeline ended.
type HistoryLine struct {
	Timeline  uint32
	LSN       uint64 // where it ended
	Reason    string
	Timestamp string // ISO 8601; empty: not recorded
	Leader    string // who led afterwards; empty: not recorded
}

// Failsafe is the map of members that must pledge, name to api_url.
type Failsafe struct {
	Members map[string]string // nil: missing or unreadable, which is no pledge at all
	Version Version
}
