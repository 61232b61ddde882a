// Package zookeeper keeps clusters in ZooKeeper. It needs servers of 3.6 or later.
//
// # Grants
//
// The leader key and the member's entry have a session each, and everything else
// goes over a third one that nothing hangs on. No ping runs for the first two:
// only UpdateLeader and, once, AttemptToAcquireLeader and ResumeLeader extend the
// leader's. So there is nothing that outlives the agent or its fence, and the
// guard needs no rule of its own for this store.
//
// That is why this package speaks the protocol itself. The client libraries ping
// for as long as their process lives, end the session when they are closed, and
// tell neither the timeout that was granted nor the password that another process
// would need to go on.
//
// Sessions are counted by the servers' leader alone. A follower tells it of its
// clients with its next answer to the leader's ping; until then a request that the
// follower answered, a write as well, has extended nothing, and if the follower is
// cut off it never will. Only attaching a connection to a session is asked of the
// leader before it is answered (its REVALIDATE), and extends the session there. A
// renewal is therefore a new connection, attached to the session, and on that same
// connection one transaction that sets the leader key, unchanged, at its version
// and writes the documents. A majority must take it, and a server that loses its
// leader ends its connections: so who extended the session led at that time. The
// lease counts from before the request to attach was sent, and the old connection
// is closed by the server.
//
// After a change of the servers' leader all sessions begin anew, with the timeouts
// that were written down when they were created, whatever was attached since. So a
// changed TTL needs another session: the key moves there in one transaction, which
// is refused unless the old session still lives.
//
// A transaction can ask for the version of a node, and not whose it is. Somebody
// may delete the leader key while its holder's session lives, and versions begin
// at 0 again with the node that a successor creates. So that a late request of the
// earlier holder is never carried out on it, the key is set once in the
// transaction that creates it: its version is never that of a key which Patroni or
// a person created. And beside it, under the same session, there is a node
// leader-lease-ID, without which nothing of its holder's is carried out: who
// acquires the key removes those of others in that transaction.
//
// A restarted agent reads from that node what its session was created with, and
// the lineage of the key is in it, which a move would change otherwise. Read
// doesn't show it, and Patroni doesn't look at it.
//
// A restarted agent attaches to its old session by id and password. The password
// follows from the id, by a rule that all servers must share, so a Lease.ID is the
// session's id and holds no secret. It follows as well that whoever reaches the
// servers can take over a session: access to them is what must be restricted.
// Servers of another make whose passwords don't follow from ids work, but for that
// a restart waits until the lease has ended.
//
// # Reads
//
// Read begins with a transaction that changes nothing and that a majority must
// take; the operation sync wouldn't notice that the servers' leader was deposed.
// Then everything is read, and looked at a second time: unless nothing changed in
// between, again from the start. So a Snapshot is of one moment.
//
// # Connections
//
// Open doesn't touch the network. A call waits for a server as long as its context
// lives; one that doesn't answer within a tenth of the TTL is left for the next.
// A conditional Put is sent once.
package zookeeper
