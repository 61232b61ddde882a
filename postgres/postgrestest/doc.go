// Package postgrestest has a PostgreSQL that exists only in memory and in
// virtual time, for tests of whatever decides about real ones.
//
// A Network is the machines and what lies between them; a Server is one data
// directory with its postmaster, or without. A Server has the methods of
// *postgres.Server that package ha needs, so that an agent runs on it unchanged:
//
//	net := postgrestest.NewNetwork(clock)
//	go net.Run(ctx) // or call Advance yourself, as a simulation does
//	server, err := net.NewServer(postgrestest.Options{Name: "a", Host: "a"})
//
// What it has of the real one: WAL as a sequence of records on timelines, each
// with an identity, so that two servers that were promoted by themselves differ
// although their numbers agree; crash recovery, clean and unclean shutdown and
// what pg_controldata says after it; standby.signal; streaming, also cascaded,
// with a WAL receiver that gives up an unreachable sender only after a while and
// connects again only every wal_retrieve_retry_interval; a fast shutdown that
// waits until its standbys have everything; promotion to the next timeline that
// the server knows of; replay that lags; base backups, pg_rewind, and the mark
// that both leave while they are not done; physical slots by name.
//
// What can be done to it: Kill, Crash and Boot of its host, Freeze, Hang,
// FillDisk, DelayReplay, and Cut between hosts.
//
// Write and Rows are for those who check what became of a row.
//
// What it does not have: SQL, WAL that is removed or archived, restore_command,
// checkpoints that cost anything, several databases, users, configuration. What
// the real server does in these cases must be tried on the real server.
//
// All of it is deterministic: what happens is decided by the order of calls and
// by the clock alone.
package postgrestest
