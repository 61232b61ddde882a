// Package e2e tests whole clusters end to end: real daemons, real PostgreSQL, a
// real store, and writers on every node that go past any routing. Each test is a
// fault or a request, and what must happen.
package e2e
