// Package tally has a link to a store that counts what passes: the requests of one
// node, by what they ask for, whoever sends them. It reads what etcd's clients say
// over gRPC and over HTTP, and what Consul's and ZooKeeper's say, without TLS; of
// anything else it counts nothing and says so.
package tally
