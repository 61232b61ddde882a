// Package hatest runs whole clusters in virtual time: for each node a real
// ha.Agent with its real decisions, a real guard core (package fence) and a fake
// PostgreSQL (package postgrestest), on one store (dcs/memory), behind a network
// and hosts that can fail in every way that counts.
//
// A test makes a cluster in a bubble (testing/synctest), breaks something, lets
// time pass, and looks:
//
//	synctest.Test(t, func(t *testing.T) {
//		c := hatest.New(t, hatest.Options{Nodes: 3, Seed: 1})
//		c.Await(2*time.Minute, func() bool { return c.Healthy() == "" })
//		former := c.Leader()
//		c.KillHost(former)
//		c.Await(time.Minute, func() bool { return c.Leader() != "" })
//		if err := c.Err(); err != nil {
//			t.Error(err)
//		}
//	})
//
// Nothing happens outside of Run and Await. They return early when an invariant
// breaks; Err says which.
//
// # One seed, one history
//
// Go's bubbles alone are not deterministic. Here everything that a node does
// beyond its own memory waits at a gate: requests to the store, to the guard and
// to other agents, both when they are sent and when the answer comes, calls on
// PostgreSQL, timers, hints. The driver waits until everybody waits, gives each
// thing that is to happen a time by the seed, and lets one of them happen. So two
// runs of a seed, in one build of a program, are the same to the last line of
// Options.Trace. What breaks that in an agent (an order of a map, a select whose
// choice matters) is a mistake in the agent.
//
// # What must hold at every step
//
//   - No two servers accept writes. A server whose postmaster hangs does, for the
//     sessions that it has.
//   - Nobody accepts writes after the end of its lease less the margin for the
//     drift of clocks (dcs.Plan.End, by true time), or without the pledges of all
//     members of the failsafe map.
//   - No two agents say that they lead.
//   - No server becomes a leader without a row that every node had, nor, if all
//     others streamed when it was acknowledged, no host, no server and no link of
//     replication has failed since, and no standby has ended before it had come
//     there, without a row that was acknowledged at all.
//     Nor further behind the last leader's published position than
//     maximum_lag_on_failover.
//
// A server that thaws with its whole host is forgiven until its guard has come to
// run. WipeStore takes back what the store granted; until then two leaders are
// forgiven too.
//
// Chaos plays a history with faults of all kinds, and demands that the cluster
// heals once they end. Options has mutants: parts of the safety taken out, so
// that a test can show that the invariants notice.
//
// # What is not simulated
//
// What the real guard does with processes and the real server with files; stores
// other than one that is linearizable; synchronous replication; members of
// another program. Tests on real servers are for these.
package hatest
