// Package dcstest is the suite that every backend of dcs must pass.
//
// A backend's own test describes its store in a Harness and calls Run. What
// stores do differently is data in the Harness, never a case left out: a group
// that needs a link to cut or a server to freeze runs wherever there is one.
//
// README.md says what a good backend is.
package dcstest
