// Package rest is the HTTP side of an agent: health checks for load balancers,
// the member's status, commands for operators, metrics; and the client that
// agents and the control program ask other members with. It speaks the REST API
// of Patroni, so that what asks the one can ask the other.
//
// # Server
//
// Health checks are answered from what the agent knows, at once, and touch
// neither PostgreSQL nor the store: a probe never waits behind either. Whether
// this member leads is settled by comparing the end of its lease with the clock
// at the moment of the answer, so /primary turns 503 although the agent's loop
// hangs. What an agent knows that has missed its looks for two TTLs isn't
// believed any more.
//
// GET /patroni asks the server anew, since members that stand for election
// compare positions by it. GET /cluster and the requests that change something
// read the store.
//
// # Pledges
//
// POST /failsafe is a leader without the store that asks us to stay in our place
// (failsafe_mode). Its body is Patroni's, and from a leader of ours has the terms
// too: the cluster, whom it asks, its grant of the leader key, for how long
// (ha.PledgeTerms, under "regent"). It is answered with
//
//	200 Accepted               the pledge is given; the header lsn is up to where we
//	                           have the leader's WAL, and Regent-Pledge has its terms
//	400                        no JSON, or no name
//	401, 403                   as for whatever changes something
//	500 Running as a leader    we may lead ourselves
//	500 with a sentence        why there is no pledge: of another cluster or member,
//	                           not the leader that we saw last in the store, …
//	502                        failsafe_mode is off
//
// Client.Pledge reads the terms back, and asks a member that names none for its
// status; whether that is the pledge that was asked for is checked by package ha.
//
// # Connections
//
// Every connection has deadlines for its handshake, its header, its body and its
// answer, and a bound on their number at which those that say nothing make room:
// clients that connect and stay silent hold nobody up.
//
// What the caller owes: an Agent that answers Report without waiting, and a
// context for Serve that ends before the Agent goes away.
//
// Not promised: header for header what Patroni sends. Status, Content-Type and
// body are equal; connections are kept alive where a client asks for it.
//
// # Client
//
// Client is ha.Peers. It never uses a proxy of the environment, never follows a
// redirect, and keeps no connection, since one to a member that was frozen looks
// alive for minutes. Silence is no answer: Ask tries until its context ends
// unless the member answered or refused the connection.
package rest
