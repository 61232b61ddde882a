// Package consul keeps clusters in Consul, over its HTTP API, by way of the agent
// that runs beside the member. It needs servers of 1.11 or later.
//
// # Grants
//
// The leader key and the member's entry have a session each. Nothing renews the
// leader's but UpdateLeader and, once, AttemptToAcquireLeader and ResumeLeader: no
// renewal runs in the background, and Consul's own Lock isn't used.
//
// A session's TTL is half of Options.TTL, because Consul ends it after twice its
// TTL: that is what the code of the servers does, and what Patroni counts on. Their
// documentation promises the TTL alone, so Lease.For is that, and nothing here
// depends on the second half. A crashed leader's key goes after Options.TTL.
//
// A session may also end early: when its node leaves or is deregistered, as the
// agent does on a graceful stop by default, when it is destroyed, or when one of
// Options.Checks becomes critical. The key goes at once then, and the lock delay
// keeps it from everybody for as long as the lease may still count: LockDelay is
// Lease.For unless Options say otherwise. Consul delays by a minute at most, so no
// lease is longer than that, whatever the TTL. The servers delay after every
// session that ended by itself: also after a crash the key can be had by another
// only Lease.For after it went. An attempt in that time is ErrHeld by nobody, and
// Watch says when to try again. A release deletes the key and delays nobody.
//
// Servers hold lock delays in memory only, each its own copy: a restart of a
// server that is then elected can forget one.
//
// A renewal is two requests. The server's leader extends a session in its memory
// without asking a majority, so a deposed one that doesn't know it yet can say yes
// to an extension that never was. Then the key is read, or the documents written,
// by a request that a majority confirms. So is the extension true? A new leader
// starts every session anew when it is elected, and the key was confirmed within
// one TTL before each renewal: by the one before, else by a read just before it.
// Whoever led when that was answered, or was elected since, holds the session for
// longer than the renewal says.
//
// # Requests
//
// Open doesn't touch the network. A call waits as long as its context lives: a
// request that isn't answered within Options.AttemptTimeout is sent again, since
// behind the agent there may be another server by then. Every request is made so
// that being carried out twice does no harm.
//
// What is written together is one transaction, of half a megabyte at most, in
// base64. What this package writes carries a random number in the key's flags, by
// which it knows its own work again; Patroni doesn't look at flags.
//
// A token that may not read all keys of the cluster is an error, never a cluster
// with fewer keys. A leader key without a session, as a restored backup has it, is
// held by nobody.
package consul
