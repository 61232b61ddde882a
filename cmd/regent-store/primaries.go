package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// primary is the leader of a cluster of PostgreSQL servers, as its keys say.
type primary struct {
	cluster string   // path of its keys, as /service/demo
	hosts   []string // names or addresses, where its server and its agent are reached
	lease   lease.LeaseID
}

// primaries are the leaders of all clusters in the namespace that say where they
// are. The keys are Patroni's: CLUSTER/leader holds a member's name, and
// CLUSTER/members/NAME a JSON object with conn_url and api_url.
//
// It reads this member's own copy, past the store's authentication. Only the
// store's leader asks, whose copy is the newest.
func primaries(ctx context.Context, kv mvcc.KV, namespace string) ([]primary, error) {
	all, err := kv.Range(ctx, []byte(namespace), []byte(clientv3.GetPrefixRangeEnd(namespace)), mvcc.RangeOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", namespace, err)
	}
	entries := map[string][]byte{}
	for _, kv := range all.KVs {
		if strings.Contains(string(kv.Key), "/members/") {
			entries[string(kv.Key)] = kv.Value
		}
	}
	var found []primary
	for _, kv := range all.KVs {
		cluster, ok := strings.CutSuffix(string(kv.Key), "/leader")
		if !ok {
			continue
		}
		if hosts := hostsOf(entries[cluster+"/members/"+string(kv.Value)]); len(hosts) > 0 {
			found = append(found, primary{cluster, hosts, lease.LeaseID(kv.Lease)})
		}
	}
	return found, nil
}

// hostsOf reads a member's entry. One that can't be read names none.
func hostsOf(entry []byte) []string {
	var m struct {
		ConnURL string `json:"conn_url"`
		APIURL  string `json:"api_url"`
	}
	if json.Unmarshal(entry, &m) != nil {
		return nil
	}
	var hosts []string
	for _, text := range []string{m.ConnURL, m.APIURL} {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}
