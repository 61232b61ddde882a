package dcstest

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Harness describes a backend to the suite. Start, MinTTL, Late and Largest are
// required.
type Harness struct {
	// Start returns a store that serves until the test ends. It is called once
	// for all tests that leave the store alone, and once for each that breaks it.
	Start func(tb testing.TB) Store
	// MinTTL is the shortest that the store grants.
	MinTTL time.Duration
	// Late is how long after Since+For a grant that isn't renewed may end.
	Late time.Duration
	// Delay is how long the key can't be had by anybody after a grant of MinTTL
	// ended by itself.
	Delay time.Duration
	// Largest is the size of a value that the store must take, in bytes.
	Largest int
	// Names are member names that the store must take; nil: all sorts.
	Names []string
	// ClaimsDocuments: who acquires the leader key writes the documents that only
	// the leader may write again, which gives them new versions.
	ClaimsDocuments bool
	// ForgetsTTL: the store doesn't keep what TTL a grant has. Resumed, it lasts as
	// long as its new handle says, if that is longer.
	ForgetsTTL bool
	// EntriesStay: a member's entry is something that the store doesn't end.
	EntriesStay bool
	// Unproven: a watch of this store can't prove that nothing has changed.
	Unproven bool
	// GoneIsUnknown: a lease whose whole cluster isn't there is neither held nor
	// lost, since the store may have lost its data.
	GoneIsUnknown bool
	// Clock is what handles count leases on; nil: the machine's.
	Clock clock.Clock
}

// Store is one running store.
type Store struct {
	// Open returns a handle. The server may be frozen if Open was called with the
	// same options before.
	Open func(tb testing.TB, o Options) dcs.DCS
	// OpenLinked returns a handle that reaches the store over a link of its own.
	// Nil: there is no link to cut.
	OpenLinked func(tb testing.TB, o Options) (dcs.DCS, Link)
	// Left names what the store keeps for handles beside keys: leases, sessions.
	// Nil: it has none, or doesn't tell.
	Left func(tb testing.TB) []string
	// Server is nil where the store is no process.
	Server Server
}

// Options of a handle that the suite opens.
type Options struct {
	Path dcs.Path
	Name string // empty: an observer
	TTL  time.Duration
}

// Link is one handle's way to the store.
type Link interface {
	// Hang lets nothing through in either direction; connections stand.
	Hang()
	// Close ends connections and refuses new ones.
	Close()
	// HangReplies lets requests through and no answer.
	HangReplies()
	// Delay makes everything arrive later, in both directions.
	Delay(d time.Duration)
	// Heal ends all that.
	Heal()
}

// Server is the process behind a store.
type Server interface {
	// Freeze makes it stand still, with its connections open.
	Freeze()
	Thaw()
	// Restart kills it and starts it again, and returns when it serves.
	Restart()
}
