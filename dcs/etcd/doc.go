// Package etcd keeps clusters in etcd, over version 3 of its API. It needs a
// server of 3.4 or later.
//
// # Grants
//
// The leader key and the member's entry have a lease each. Nothing extends the
// leader's but UpdateLeader and, once, AttemptToAcquireLeader and ResumeLeader:
// no keep-alive runs in the background.
//
// A renewal is a keep-alive, then one transaction that compares the lease of the
// key and writes the documents. The keep-alive is answered by the server's leader
// from its memory, without asking a majority, so a deposed one that doesn't know
// it yet can say yes to an extension that never was. The transaction needs a
// majority. Only if both answers carry the same raft term was the extension real;
// else the keep-alive is repeated.
//
// etcd counts a lease on its leader's monotonic clock, in whole seconds; one that
// is shorter than one and a half of the server's election timeout (2 s with its
// defaults) is raised to that. It expires up to 0.5 s late, and after each change
// of the server's leader every lease starts again at its full TTL. All three only
// let the key live on for longer than Since+For.
//
// # Connections
//
// Open doesn't touch the network. A call waits for a server as long as its
// context lives. With several endpoints a request that isn't answered within a
// twentieth of the TTL is sent again to the next one; every request is made so that
// being carried out twice does no harm. A connection over which nothing gets
// through is given up after two seconds.
//
// The cluster ID and the raft term of every answer are looked at. What another
// cluster answers, or a server that is behind a term that was seen, is no answer,
// and the next server is asked. That ends with the handle: after a store was made
// anew or restored from a backup its members must be started again.
//
// With a user name the first request logs in, and again whenever the server has
// forgotten the token. A user name counts before the name in a client certificate.
//
// The gRPC proxy of etcd must not stand in between: it answers keep-alives by
// itself.
package etcd
