// Package ha keeps one of several PostgreSQL servers primary, and the others its
// standbys, by a leader key in a distributed configuration store.
//
// An Agent runs beside one server. In each cycle it looks at everything (its
// server, the cluster in the store, what other members answered), decides by a
// pure function what to do, and does it:
//
//	observe -> decide -> apply
//
// The decision looks at the whole present state, never at the order of events,
// so an agent that is started again loses nothing. It takes one step and looks
// again; nothing is assumed to have worked. What must be remembered between two
// decisions is a small comparable struct.
//
// # What the embedder owes
//
//   - One Agent for a data directory (see fence.LockDataDir), and members with
//     distinct names.
//   - fence.Main() as the first line of main, or a path to a binary that has it,
//     or fence.Off said aloud: without a guard nobody stops a primary whose agent
//     was killed or frozen.
//   - Shutdown to end in order: the leader hands over, and the server is stopped.
//     A Run that returns because its context ended, or because the agent can't go
//     on, leaves the server to its guard and to the next agent.
//
// # What is promised
//
// Never two primaries: no server takes a write after the lease ends that it was
// promoted under. In asynchronous mode nothing acknowledged is lost by a
// switchover, a restart, or a dead or frozen agent while a replica streams. See
// docs/safety.md for the argument and its assumptions.
package ha
