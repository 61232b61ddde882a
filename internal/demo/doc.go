// Package demo shows a cluster at work: three daemons, three PostgreSQL servers
// and a store on one machine, and a client that writes all the time while one
// thing after the other breaks.
package demo
