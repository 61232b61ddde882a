// Package bench measures how long clients can't write when something breaks or
// is changed, what an idle agent costs, and how many health checks it answers:
// of this project's daemon, of Patroni for comparison, and of the same steps
// without any agent, which is the limit to approach.
//
// All of it happens in one run on one machine, one system after the other in
// each round, so that the ratios mean something where the absolute times depend
// on the machine. Nothing here fails because something was slow.
//
// # What the caller owes it
//
//   - As for package lab: not root, and lab.Main as the first line of main.
//   - An otherwise quiet machine, for figures worth keeping. The load average is
//     told with them.
//
// # What it does not promise
//
// A killed host's kernel still refuses connections here, where one that lost its
// power is silent. Databases are nearly empty: recovery, rewinds and copies of
// large ones take longer for everybody.
package bench
