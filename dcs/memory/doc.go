// Package memory is a complete DCS inside the process: for tests, simulations
// and examples.
//
// A Store is the server. It has a clock of its own, which alone decides when a
// grant ends; a handle has the clock of its member. In virtual time both can
// drift. Nothing runs in the background except what a Watch starts: ends of
// grants are seen by comparing instants, at the next call.
//
// A call on it always succeeds or is refused, at once. Faults are for the caller
// to add, around the handle.
package memory
