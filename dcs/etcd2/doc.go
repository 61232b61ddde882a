// Package etcd2 keeps clusters in etcd, over version 2 of its API: for whom comes
// from Patroni's section etcd and for servers older than 3.4. Servers of 3.4 and 3.5
// serve it with --enable-v2, later ones not at all. Its keys are others than those of
// version 3, which package dcs/etcd is for.
//
// The API is HTTP with JSON, spoken here without a client library: etcd dropped its
// own (go.etcd.io/etcd/client/v2) together with the API.
//
// # Grants
//
// Version 2 has no leases: a key has a TTL. The leader key's creation is the grant,
// named by the store's id and the key's createdIndex, which a renewal leaves as it is
// and every other way to write the key changes. A renewal is one compare-and-swap of
// the key at the index that we know, and thus confirms the key through a majority.
//
// The value is only a name, so a key in our name that an attempt without an answer may
// have created is another agent's as well. Before it creates the key an attempt leaves
// a mark, a hidden key, in the place of the one that stands there; afterwards it looks
// whether its mark still stands. See DCS.take for why no two agents of one name can
// both take a key for theirs.
//
// # Time
//
// The end of a key is an instant of wall-clock time. The server that is asked computes
// it by its own clock; the server that leads when the time comes deletes the key by
// its. No other backend depends on wall clocks, and this one can't do without. What it
// does about it:
//
//   - The key is put for a second longer than the lease says.
//   - The servers' answers tell what their clocks show, to a second. By as much as any
//     known server is ahead of the one that was asked, a lease is shorter. All servers
//     are looked at once a minute (Options.Discover, or with several Endpoints).
//
// What is not promised: that a key stays for its lease when a server's clock is set
// forward by more than a second, or when one that is ahead by more isn't among the
// servers that are known here and comes to lead. Clocks that are slewed are harmless.
//
// A key ends up to half a second late, when the leader next looks for expired ones. A
// change of the servers' leader, or a restart of them all, lengthens nothing.
//
// # Documents
//
// There are no transactions over keys. Documents of the leader are written after the
// renewal that confirmed the grant, each at an index that was known before it; and
// before an acquire returns it writes status, history, sync, failsafe and
// optime/leader again as they are. So whatever a former leader had prepared conflicts,
// however late it arrives. A document that is to be created gets a placeholder first,
// with the value null and a TTL, which Read leaves out. Of several documents some may be
// written when another conflicts, but only if somebody else than the leader wrote it at
// that moment.
//
// A new leader's rewriting gives these documents new versions.
//
// # Connections
//
// Open doesn't touch the network. A request that isn't answered within a tenth of the
// TTL is sent again, to the next of several servers, and made so that being carried out
// twice does no harm; a conditional Put or Delete is sent once. An answer counts if it
// is one of the keys API of the store that answered first: another store's empty
// keyspace, or another server's "not found", is never an absent cluster.
//
// An attempt to acquire that a server has kept for long, and carries out after all when
// nobody leads, makes a leader key in our name that no one holds; it ends by its TTL.
package etcd2
