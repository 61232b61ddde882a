//go:build !race

package hatest

// seeds is how many histories are played by default.
const seeds = 300
