package postgres

import (
	"time"

	"github.com/regent-ha/regent/clock"
)

// Timeline numbers a branch of the WAL's history; zero is unknown.
type Timeline uint32

// DataState is what the data directory holds.
type DataState string

// States of a data directory.
const (
	DataUnknown    DataState = "unknown"    // it can't be looked at: see Status.Problem
	DataEmpty      DataState = "empty"      // absent, or nothing but dot files and lost+found
	DataIncomplete DataState = "incomplete" // a clone, initdb or rewind that didn't finish, marked as such
	DataForeign    DataState = "foreign"    // not empty, and no data directory of PostgreSQL
	DataValid      DataState = "valid"
)

// State is what the server does.
type State string

// States of a server.
const (
	StateStopped  State = "stopped"  // no postmaster runs on the data directory
	StateStarting State = "starting" // a postmaster runs that doesn't let us in yet
	StateRunning  State = "running"
	StateStopping State = "stopping"
	StateUnknown  State = "unknown" // a postmaster runs, and no query went through
)

// Role is whether the server takes writes.
type Role string

// Roles of a server. RoleNone: not known, since no query went through.
const (
	RoleNone    Role = ""
	RolePrimary Role = "primary" // out of recovery
	RoleReplica Role = "replica" // in recovery
)

// Status is all that is known of one server at one moment. It comes from one
// query where the server answers, and from the control file where it doesn't.
type Status struct {
	At    clock.Instant // read just before it was asked
	Data  DataState
	State State
	Role  Role // by the server's own word; RoleNone when it doesn't answer

	PID           int           // of the postmaster; 0: none
	Answers       bool          // some new connection got a protocol message within the time for it
	Refuses       string        // why it turned the last new session away, if for a fault of its own (a full disk, a file that is gone); empty: it didn't
	AnsweredAt    clock.Instant // when one last did, since this postmaster was started or adopted
	StartedAt     time.Time     // pg_postmaster_start_time
	ServerVersion int           // as server_version_num; 0: unknown
	SystemID      string        // decimal; empty: unknown
	Timeline      Timeline      // primary: insert timeline; replica: received or replayed one; stopped: of the last checkpoint or the minimum recovery point
	Standby       bool          // standby.signal or recovery.signal is there: the next start, or this server, isn't writable by itself

	Backup bool // backup_label is there: a copy that has not been started yet, whose control file speaks of its source

	// Positions. On a primary Location is the flush position, on a replica the
	// greater of Received and Replayed. Stopped: from the control file.
	Location     LSN
	Received     LSN
	Replayed     LSN
	ReplayedAt   time.Time // commit time of the last replayed transaction
	ReplayPaused bool

	ArchiveRecovery bool              // in recovery with a restore_command and no WAL receiver
	Receiver        *Receiver         // a replica's WAL receiver; nil: none runs
	Replication     []Walsender       // pg_stat_replication
	Slots           []Slot            // pg_replication_slots
	Pending         map[string]Change // settings that wait for a restart
	Control         *Control          // of the control file; nil when it can't be read
	Problem         string            // why something above is unknown, in one line; PostgreSQL's own last message when it died or doesn't start
}

// ReplicationState is what a standby does, in the words of the layout:
// "streaming", "in archive recovery" or, not in recovery or unknown, "".
func (s Status) ReplicationState() string {
	switch {
	case s.State != StateRunning || s.Role != RoleReplica:
		return ""
	case s.Receiver != nil && s.Receiver.Streaming:
		return "streaming"
	case s.Receiver == nil && s.ArchiveRecovery:
		return "in archive recovery"
	}
	return ""
}

// Receiver is a row of pg_stat_wal_receiver.
type Receiver struct {
	Streaming bool
	Timeline  Timeline
	Flushed   LSN
	LatestEnd LSN // the sender's last reported position
	Host      string
	Port      int
	Slot      string
}

// Walsender is a row of pg_stat_replication.
type Walsender struct {
	User, Application, Client string
	State                     string // "startup", "catchup", "streaming", ...
	SyncState                 string // "async", "potential", "sync", "quorum"
	SyncPriority              int
	Sent, Written             LSN
	Flushed, Replayed         LSN
}

// Slot is a row of pg_replication_slots.
type Slot struct {
	Name       string
	Type       string // "physical" or "logical"
	Plugin     string
	Database   string
	Active     bool
	RestartLSN LSN
	Confirmed  LSN // confirmed_flush_lsn of a logical slot
	Xmin       bool
	WALStatus  string // "reserved", "extended", "unreserved", "lost"
	Failover   bool   // from 17 on
}

// Change is a setting's value now and after a restart.
type Change struct{ Old, New string }

// Control is what the control file says, in the words of pg_controldata.
type Control struct {
	SystemID                                                                                           string
	State                                                                                              string // "in production", "shut down", "shut down in recovery", "in archive recovery", "in crash recovery", "shutting down"
	CheckpointLSN                                                                                      LSN    // start of the latest checkpoint's record
	CheckpointTimeline                                                                                 Timeline
	MinRecoveryLSN                                                                                     LSN
	MinRecoveryTimeline                                                                                Timeline
	DataChecksums                                                                                      bool
	WALLogHints                                                                                        bool
	MaxConnections, MaxWorkerProcesses, MaxWALSenders, MaxPreparedTransactions, MaxLocksPerTransaction int
	CatalogVersion                                                                                     int
	WALBlockSize, WALSegmentSize                                                                       int // bytes
}

// CleanShutdown says whether the server was stopped in order, so that its WAL
// ends where the control file says.
func (c *Control) CleanShutdown() bool {
	return c != nil && (c.State == "shut down" || c.State == "shut down in recovery")
}
