// Package dcs is the view of one cluster in its distributed configuration
// store: who leads, which members there are, what they agreed on.
//
// # For programs
//
// Open a backend (dcs/etcd, dcs/memory, ...), wrap it with NewClient, use the
// Client. Read gives a Cluster. Acquire, Renew and Release deal with the Lease
// behind the leader key; Touch publishes this member; Put changes a document
// that any member may write.
//
// A Lease is the worst case for its holder: the store keeps the key at least
// until Since+For, counted on the holder's own clock from before the request
// that last extended it. So the holder must have stopped whatever the lease
// allows it before Since+For less its margin for clock drift, and needs nobody's
// answer to know it. Only rates of clocks are trusted, never offsets between
// machines.
//
// What the caller owes:
//
//   - It uses the Lease that Renew returned last, its ID included.
//   - It treats ErrHeld, ErrLost and ErrConflict as definite, and every other
//     error as "it may have happened or not": it reads again before it acts.
//   - It counts a lease as ended from the moment it sends Release.
//   - It never takes its own name in the leader key for proof that it leads. A
//     restarted program goes on only with the Lease.ID that it wrote down.
//   - It writes what only the leader may write (status, history, sync, failsafe)
//     through Renew, so that a former leader that wakes up late writes nothing.
//
// What is not promised: that the key ends at Since+For (it may live on for
// longer), that a Watch hint comes for every change or only for changes, that
// two documents are of one moment on every store, that wall clocks agree.
//
// # For backends
//
// A backend implements DCS and nothing more; package dcstest has the suite that
// it must pass and says what a good one is. Whatever must be equal on all stores
// is written here, above it.
//
// The values under the keys are those of Patroni, so that both kinds of agents
// can live in one cluster. Each document's file has its parser and its encoder
// beside each other. Parsing is tolerant: an odd value costs a line in
// Cluster.Problems, never the cluster. Encoding is compact ASCII, in a fixed
// order of keys, and keeps the fields that this version doesn't know.
package dcs
