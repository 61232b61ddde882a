// Package etcd2 keeps clusters in etcd.
package etcd2
