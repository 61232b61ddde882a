// Package servers knows the stores' programs: where they lie, their command lines
// and their configuration, and how to tell that they serve. Tests of a backend and
// laboratories of whole clusters run them; how a process is started, watched and
// ended is theirs.
//
// All servers listen on the loopback interface, and are made for trying things
// out: small, quick to start, their secrets in files of the caller's folder. None
// of this says how to run a store that anything depends on.
package servers
