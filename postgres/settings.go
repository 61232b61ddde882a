package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Options are what a Server is made of for its whole life.
type Options struct {
	Name     string            // the member: application_name of its WAL receiver
	Scope    string            // the cluster: cluster_name
	DataDir  string            // absolute
	BinDir   string            // empty: PATH
	BinNames map[string]string // other names for pg_ctl, initdb, pg_controldata, pg_basebackup, postgres, pg_isready, pg_rewind

	ConfigDir      string // empty: DataDir
	ConfigBaseName string // empty: "postgresql"
	LogFile        string // gets the server's output before and without its own logging; empty: DataDir with ".log" after it
	PassFile       string // a libpq password file that is this server's alone to write; empty: DataDir with ".pgpass" after it

	// RemoveFailed removes a directory that has to make room. Without it the
	// directory is renamed to NAME.failed-TIME, beside where it was.
	RemoveFailed bool

	Launcher Launcher     // nil: forks by itself
	Clock    clock.Clock  // nil: clock.System()
	Logger   *slog.Logger // nil: discards
}

// Settings are what may change while a Server lives. The zero value of each
// field is its default.
type Settings struct {
	Listen         string // "a,b:port"; required
	ConnectAddress string // host:port that others reach it by; empty: Listen

	Superuser   Credentials
	Replication Credentials
	Rewind      Credentials // empty: Superuser
	Database    string      // empty: "postgres"

	UseUnixSocket     bool
	UseUnixSocketRepl bool
	KrbSrvName        string

	Parameters   map[string]string // effective, the managed ones included; values unquoted
	HBA          []string          // nil: pg_hba.conf stays as it is
	Ident        []string
	CustomConf   string            // included instead of postgresql.base.conf
	RecoveryConf map[string]string // for standbys

	CtlTimeout      time.Duration // of a start; 0: one minute
	UseSlots        bool
	UseRewind       bool
	RewindArgs      []string // more options of pg_rewind, as "--name=value"
	CloneArgs       []string // more options of pg_basebackup
	CloneMethods    []Method // nil: basebackup alone
	InitdbArgs      []string // options of initdb
	BootstrapHBA    []string // appended to pg_hba.conf after initdb, where HBA is nil
	BootstrapMethod *Method  // nil: initdb
	PostBootstrap   string   // a command, run once in a new cluster

	// What package ha may do with our data where it isn't on the cluster's history.
	RemoveOnRewindFailure     bool
	RemoveOnDivergedTimelines bool

	Callbacks  map[string]string // on_start, on_stop, on_restart, on_reload, on_role_change
	PrePromote string
	BeforeStop string
}

// Credentials are how to log in. Password never leaves through a log, an error
// or a process's arguments.
type Credentials struct {
	Username string
	Password string
	// TLS and others, by libpq's names: sslmode, sslcert, sslkey, sslpassword,
	// sslrootcert, sslcrl, sslcrldir, gssencmode, channel_binding, sslnegotiation.
	Options map[string]string
	// Setting is what the user's configuration calls them, for the error when a
	// server refuses them. May be empty.
	Setting string
}

// Method is a way of our user's to make a data directory: a command.
type Method struct {
	Name                     string
	Command                  string
	Args                     []string // as "--key=value"
	NoParams                 bool
	NoLeader                 bool
	KeepData                 bool
	KeepExistingRecoveryConf bool
	RecoveryConf             map[string]string
}

// Upstream is the server that a standby follows. The zero Upstream is none: a
// standby that waits.
type Upstream struct {
	Name string // member name
	Host string
	Port int
	Slot string // physical slot there; empty: none
}

// IsZero says whether there is none.
func (u Upstream) IsZero() bool { return u.Host == "" }

// Permit allows one start that may become writable. Whoever launches refuses it
// after NotAfter. Number is of the arm that it rests on (see package fence).
type Permit struct {
	Number   uint64
	NotAfter clock.Instant
}

// Launcher starts a postmaster and returns its pid once it was forked. The
// default forks by itself.
type Launcher interface {
	Launch(ctx context.Context, c Command) (pid int, err error)
}

// Command is a composed start of a postmaster.
type Command struct {
	Path     string   // of the executable
	Args     []string // without argv[0]
	Env      []string // the whole environment
	Dir      string   // the data directory
	Log      string   // file that gets its output before its own logging begins
	Writable bool     // it may become writable: neither standby.signal stands in the way
	Permit   Permit   // of a writable one
}

// StopMode is how a server is asked to stop (PostgreSQL documentation,
// "Shutting Down the Server").
type StopMode string

// Modes of a stop.
const (
	StopSmart     StopMode = "smart"
	StopFast      StopMode = "fast"
	StopImmediate StopMode = "immediate"
)

// Stop says how to stop and how long to wait before it is made harder: fast
// becomes immediate at Escalate, immediate becomes SIGKILL of the whole tree.
type Stop struct {
	Mode StopMode
	// Escalate bounds the wait before the next step; zero: none in smart mode,
	// CtlTimeout in fast mode, 6 s in immediate mode.
	Escalate time.Duration
	// Within is after how long no process of the server is left, whatever it takes:
	// SIGKILL of the whole tree. Of it a quarter is for BeforeStop. Zero: no limit,
	// and CtlTimeout for BeforeStop.
	Within time.Duration
	// AtOnce leaves BeforeStop out: nothing allows the server to run.
	AtOnce bool
	// Checkpoint does one before, so that the one of the shutdown is short.
	Checkpoint bool
	// OnShutdown is called once when the control file says that the server has
	// shut down, perhaps while the postmaster still waits for its archiver.
	OnShutdown func(Control)
}

// Progress of a clone or a rewind.
type Progress struct {
	Done, Total int64 // bytes; Total 0: unknown
}

// HistoryLine says where a timeline ended (a line of a .history file).
type HistoryLine struct {
	Timeline Timeline
	Switch   LSN
	Reason   string
}

// Ancestry is the result of comparing our WAL with another server's history.
type Ancestry struct {
	Diverged bool // our WAL has something that the other's history has not
	Fork     LSN  // up to where both are the same; 0: unknown
	Missing  LSN  // the other has removed the WAL from here on, which we need next; 0: it hasn't
	Reason   string
}

// WantedSlot is a physical slot that should be there.
type WantedSlot struct {
	Name    string
	Advance LSN // move it here if nobody uses it; 0: leave it
}
