//go:build race

package hatest

// seeds is how many histories are played by default. The race detector makes each
// of them several times as slow.
const seeds = 40
