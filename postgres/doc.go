// Package postgres manages the PostgreSQL in one data directory: it makes it by
// initdb or as a clone, starts and stops it, promotes it, makes it follow another
// server, rewinds it, writes its configuration and tells its status. It knows
// nothing of clusters, leases or where they are stored.
//
// The postmaster outlives the program that started it. A Server finds and adopts
// the one that runs on its directory, whoever started it, and notices its end at
// once.
//
// # What the caller owes it
//
//   - To run on Linux, as the user that owns the data directory, and to see the
//     postmaster in its own process namespace.
//   - One Server that changes things per directory, and one change at a time:
//     calls that start, stop or replace something must not overlap. Status,
//     Exited, Configure, Nudge and Callback may be called at any time.
//   - A context with a deadline for each call: it ends within that.
//   - A Permit for each start that may become writable, a time for each
//     promotion after which it must not happen. Both are looked at right before
//     the effect. What runs already is not stopped when that time comes: that is
//     the business of package fence.
//
// # What it promises
//
//   - Status never takes silence for an answer: what isn't known is zero, with a
//     reason in Problem.
//   - A data directory that isn't good yet is marked as such, from before the
//     first byte is written.
//   - standby.signal goes away only right before a permitted start.
//   - What leaves nobody else a copy is renamed, not removed.
//   - Passwords stand in files that only their owner reads, never in arguments,
//     logs or errors.
//
// # What it does not promise
//
//   - That a start succeeds: it returns when the postmaster was forked.
//   - That a promotion succeeds: it returns when the server took the request on.
//   - Anything about a directory that several machines share.
package postgres
