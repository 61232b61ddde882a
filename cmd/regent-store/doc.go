// Command regent-store is a small etcd for clusters that have no store yet: one
// to three members, each a process of its own with its data on disk. It is etcd's
// server as it is, with defaults for a cluster's documents and with etcd's sharp
// edges refused in one line. Every client of etcd's v3 API can talk to it.
//
//	regent-store init --data-dir DIR     makes an empty directory a member's
//	regent-store run --data-dir DIR      runs the member that it is
//	regent-store member list|add|remove  grows and shrinks a store that runs
//	regent-store snapshot save|restore   keeps what it has, and makes a new one of that
//
// Only init, restore and run --new make a store, each in an empty directory, and
// nothing removes one. So a member that lost its disk doesn't become a second
// store beside the first. docs/store.md is the way of each task.
//
// It prints one line on standard output when it serves, warnings and errors on
// standard error, and ends in order on SIGTERM and SIGINT. Exit status 3 is for a
// member that the others have removed.
//
// # Leases
//
// etcd lets every lease begin anew when its leader changes. So a member that
// leads the store gives that away when the primary of a cluster is on its
// machine: the loss of the machine would otherwise be noticed up to a ttl later.
//
// # What it does not promise
//
// A store with one member is a single point of failure for failovers: while it is
// down nothing changes its role. A restored store doesn't know what the former
// one granted: all of that one's members must have been stopped.
package main
