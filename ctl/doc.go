// Package ctl is the control program, regentctl: it shows a cluster, and asks
// its members for what operators want.
//
// It looks into the store as an observer and asks members by their REST API. It
// works on clusters of Patroni, of ours, and of both. Commands, options, texts
// and tables are those of patronictl. One thing differs: whoever's request was
// refused gets the exit code 1 and not 0.
//
// Run is the whole program. Input, output, clock, store and client can be given,
// so that another program can have the commands as its own.
package ctl
