// Package lab runs whole clusters of real daemons, real PostgreSQL servers and a
// real store on one machine, breaks them, and measures what their clients saw.
// The demonstration, the tests of whole clusters and the benchmark use it.
//
// A Lab has a store of any kind, and nodes that each have an agent, a guard and a
// PostgreSQL of their own, on ports of the loopback address. Links that can be cut
// stand between each node and the store, and, if asked for, in front of each node.
// Writers insert rows and keep what was acknowledged, and a History of their
// writes answers: how long could nobody write, what was lost, and were there ever
// two primaries.
//
// # What the caller owes it
//
//   - It does not run as root, as whom PostgreSQL doesn't run: New says so.
//   - The first line of main (of TestMain) is lab.Main(): a copy of the program
//     watches over the lab and ends its processes when the program dies.
//   - Close. A lab that isn't closed ends with the program.
//
// # What it does not promise
//
// A killed host is not a lost one to the last bit: the kernel closes the
// connections of killed processes, where a host that lost its power is silent.
// With Options.LinkPeers the links hide that. A node whose links are cut still
// reaches the others by connections that it makes itself, for each link stands
// in front of the one that is connected to.
package lab
