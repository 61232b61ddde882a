package ha

import (
	"context"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/postgres"
)

// PostgreSQL is what the agent needs of its server. *postgres.Server is one;
// package postgrestest has another in virtual time.
//
// Every call ends within its context, unless the disk hangs. Only Status and Promoting
// are waited for inside a cycle. Those marked long run as the agent's one job, and so do
// starts and promotions that aren't over in a moment; all others have no job beside them
// that writes what they do.
type PostgreSQL interface {
	// Status asks the server and, where it doesn't answer, its control file.
	Status(ctx context.Context) postgres.Status
	// SetLauncher says who starts postmasters from now on.
	SetLauncher(l postgres.Launcher)
	// Exited gets a hint each time the postmaster's end was noticed.
	Exited() <-chan struct{}
	// Configure sets what the next start, clone or Reload uses.
	Configure(s postgres.Settings) error
	// Settings are those of the last Configure.
	Settings() postgres.Settings
	// Reload writes the configuration files and makes a running server read them.
	Reload(ctx context.Context) error

	// Bootstrap makes a new data directory by initdb or the configured method. Long.
	Bootstrap(ctx context.Context) error
	// PostBootstrap makes the roles and runs the user's command, in a new
	// cluster that runs as primary. Long.
	PostBootstrap(ctx context.Context) error
	// Clone makes the empty or incomplete data directory a copy of from. Long.
	Clone(ctx context.Context, from postgres.Upstream, progress func(postgres.Progress)) error
	// SetAside renames the data directory to make room, or removes it where the
	// configuration says so. The server must be stopped.
	SetAside(ctx context.Context) error

	// StartPrimary starts a server that may take writes.
	StartPrimary(ctx context.Context, p postgres.Permit) error
	// StartStandby starts a read-only server that follows up, if there is one.
	StartStandby(ctx context.Context, up postgres.Upstream) error
	// Recover runs crash recovery as a standby that nobody can reach and stops it. Long.
	Recover(ctx context.Context) error
	// Stop ends with no process of the server left. Long.
	Stop(ctx context.Context, s postgres.Stop) error
	// PrePromote runs what the user wants to be run before a promotion, and forbids
	// that if it fails. Long.
	PrePromote(ctx context.Context) error
	// Promote ends recovery. It returns when the server took the request on,
	// and does nothing after notAfter.
	Promote(ctx context.Context, notAfter clock.Instant) error
	// Promoting says whether a promotion of the standby that runs was asked for, by
	// whomever, and isn't over. An error says that it can't be told.
	Promoting(ctx context.Context) (bool, error)
	// Follow makes a running standby follow up, by a reload where that is
	// enough. It returns whether it had to restart it. Long.
	Follow(ctx context.Context, up postgres.Upstream) (restarted bool, err error)
	// Nudge makes a standby without a WAL receiver try again at once.
	Nudge(ctx context.Context) error
	// Checkpoint does one. Long.
	Checkpoint(ctx context.Context) error

	// Compare says whether our WAL is on the history of the primary at up. The
	// server may run as a standby or be stopped in order.
	Compare(ctx context.Context, up postgres.Upstream) (postgres.Ancestry, error)
	// Rewind makes our data directory one of up's history. The server must be stopped. Long.
	Rewind(ctx context.Context, up postgres.Upstream) error
	// CanRewind is nil if Rewind can be tried, else why not.
	CanRewind(ctx context.Context) error
	// History is the content of the history file of tl; timeline 1 has none.
	History(ctx context.Context, tl postgres.Timeline) ([]postgres.HistoryLine, error)
	// SyncSlots makes the physical slots of members those wanted: missing ones
	// are created, those in gone are dropped if nobody uses them.
	SyncSlots(ctx context.Context, wanted []postgres.WantedSlot, gone []string) error
}

// Peers asks other members past the store. rest.Client is one.
type Peers interface {
	// Ask asks m how it is.
	Ask(ctx context.Context, m dcs.Member) (PeerStatus, error)
	// Pledge asks the member at apiURL to neither acquire nor promote for a
	// TTL, since we lead and have lost the store. It returns what that member
	// answered, and checks none of it.
	Pledge(ctx context.Context, apiURL string, p PledgeRequest) (PledgeAnswer, error)
}

// PeerStatus is what a member says of itself.
type PeerStatus struct {
	Name, Scope string // who says it
	SystemID    string // of its data; empty: it has none

	Running    bool // its server answered; without that the rest says little
	InRecovery bool
	Timeline   uint32
	Location   uint64 // received or replayed, whichever is greater
	NoFailover bool
	Priority   int    // failover_priority, 1 by default
	Watchdog   bool   // its watchdog is required and doesn't work
	Unfit      string // why it won't lead by its own word (members of ours only)
	Passing    bool   // that may be over in a moment
	PledgedTo  string // whom it keeps still for; empty: for nobody, or it doesn't say
	NoPledges  bool   // it says that no pledges of others count for it, and that it asks for none
}

// Fence stops the server when the agent can't. *fence.Guard is one.
type Fence interface {
	// Arm moves the instants at which the server is stopped. Nil means that it
	// was acknowledged.
	Arm(ctx context.Context, a fence.Arm) error
	// Disarm says that the server is stopped or a standby for good.
	Disarm(ctx context.Context, number uint64) error
	// State says what the guard knows.
	State(ctx context.Context) (fence.State, error)
	// Launch starts a postmaster.
	Launch(ctx context.Context, c fence.Command) (pid int, err error)
	// Lost is closed when the guard is gone.
	Lost() <-chan struct{}
	// Close leaves the guard alone with what it was told.
	Close() error
}
