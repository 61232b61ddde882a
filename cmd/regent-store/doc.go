// Command regent-store is a small etcd for clusters that have no store yet: one
// to three members, each a process of its own with its data on disk. It is etcd's
// server as it is, with defaults for a cluster's documents and with etcd's sharp
// edges refused in one line. Every client of etcd's v3 API can talk to it.
//
//	regent-store run --data-dir /var/lib/regent-store
//
// runs a single member for this machine alone. Three members, each on a machine
// of its own, outlive the loss of one:
//
//	regent-store run --data-dir /var/lib/regent-store --name a \
//	    --listen-client https://10.0.0.1:2379 --listen-peer https://10.0.0.1:2380 \
//	    --initial-cluster a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,c=https://10.0.0.3:2380 \
//	    --cert-file server.crt --key-file server.key --trusted-ca-file ca.crt
//
// It prints one line on standard output when it serves, warnings and errors on
// standard error, and ends in order on SIGTERM and SIGINT.
//
// A store with one member is a single point of failure for failovers: while it
// is down nothing changes its role. It belongs on a machine that does not run
// PostgreSQL.
package main
