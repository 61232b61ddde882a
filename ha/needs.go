package ha

import (
	"context"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// PostgreSQL is what the agent needs of its server. *postgres.Server is one;
// package postgrestest has another in virtual time.
//
// Every call ends within its context. Those marked long run as the agent's one
// job, all others inside a cycle.
type PostgreSQL interface {
	// Status asks the server and, where it doesn't answer, its control file.
	Status(ctx context.Context) postgres.Status
	// Exited gets a hint each time the postmaster's end was noticed.
	Exited() <-chan struct{}
	// Configure sets what the next start, clone or Reload uses.
	Configure(s postgres.Settings) error
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
	// Promote ends recovery. It returns when the server took the request on,
	// and does nothing after notAfter.
	Promote(ctx context.Context, notAfter clock.Instant) error
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
