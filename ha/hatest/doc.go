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
//   - No server becomes a leader without a row that every node had, nor without one
//     that a fit member has whom it could ask: a standby that runs, on the cluster's
//     history, which the failsafe map lets lead and which has pledged to nobody, whose
//     host, agent, guard and run directory work, who reaches the store, and whom the new
//     leader's agent reaches and is reached by. That ends after four seconds without a
//     leader, like all courtesy. If all others streamed when a row was acknowledged, no
//     host, no server and no link of replication has failed since, and no standby has
//     ended before it had come there, it isn't lost at all.
//     Nor further behind the last leader's published position than
//     maximum_lag_on_failover.
//   - A leader that stops for a switchover lets the key go only when somebody else has
//     all that it acknowledged.
//   - Over an emptied store nobody leads before those have come up, for a ttl, whom it
//     knew, if it lacks a row of theirs.
//   - Somebody leads within twice the ttl and a quarter of a minute while a majority is
//     fit, and it, the store and whoever else could take the key reach one another,
//     whatever else is wrong.
//   - A primary that all members of the failsafe map could pledge to doesn't stop for
//     good while the store is away from everybody: what it rests on may be started again.
//
// A server that thaws with its whole host is forgiven until its guard has come to
// run. WipeStore takes back what the store granted; until then two leaders are
// forgiven too.
//
// # What is drawn
//
// Chaos plays a history with faults of all kinds, and demands that the cluster
// heals once they end. Its seed chooses how many members there are, their timings,
// whether failsafe_mode is on, and whether members' entries stay for ever, as on
// Kubernetes. Then one fault follows another: at any moment, or at one that matters
// (an ambush), often in clusters, and now and then with time in between in which what
// has gone wrong has all its consequences. Each has an end of its own, and one in two
// outlasts the failsafe map, from which members are dropped that were away for long.
//
//   - Agents, guards, servers and hosts are killed and frozen, alone and all at once.
//     A boot, and a container that is started again, empty the run directory. All hosts
//     may lose power, with what the store had or without, and boot one by one.
//   - Guards answer late, or nobody; run directories and disks are full; status queries
//     fail. Servers run whose guard didn't start them.
//   - The store is down, frozen, wiped; it is cut off in one direction or both, also in
//     the middle of a renewal; answers of renewals with documents are lost. Agents and
//     servers are cut off from one another, agents in one direction, too.
//   - Switchovers, restarts, reinitialisations, other timings, and failsafe_mode
//     switched on and off, whatever goes on.
//
// Options has mutants: parts of the safety taken out, so that a test can show that the
// invariants notice.
//
// # What is not simulated
//
// What the real guard does with processes and the real server with files; stores
// other than one that is linearizable; synchronous replication; members of
// another program. Tests on real servers are for these.
package hatest
