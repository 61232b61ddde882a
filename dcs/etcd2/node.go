package etcd2

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// node is a key as the server tells of it (etcd documentation, "etcd API v2").
type node struct {
	Key           string     `json:"key"`
	Value         string     `json:"value"`
	Dir           bool       `json:"dir"`
	Expiration    *time.Time `json:"expiration"` // by the wall clock of the server that was asked
	TTL           int64      `json:"ttl"`        // what is left, in seconds, rounded up
	Nodes         []*node    `json:"nodes"`
	ModifiedIndex uint64     `json:"modifiedIndex"`
	CreatedIndex  uint64     `json:"createdIndex"` // stays as long as the key is there and isn't overwritten unconditionally
}

// answer is what the server says to a request that it carried out.
type answer struct {
	Action string `json:"action"`
	Node   *node  `json:"node"`

	index  uint64 // of the store, when it answered
	server string
	sent   clock.Instant // read just before the request was sent
	tries  int           // how often it was sent
}

// hiddenPrefix begins the names of keys that no directory lists.
const hiddenPrefix = "_"

// key of a document.
func (d *DCS) key(k dcs.Key) string { return d.root + "/" + string(k) }

func (d *DCS) leaderKey() string { return d.key(dcs.LeaderKey) }

// path of a key in a URL.
func path(key string) string {
	elements := strings.Split(key, "/")
	for i, e := range elements {
		elements[i] = url.PathEscape(e)
	}
	return "/v2/keys" + strings.Join(elements, "/")
}

// look reads a key, linearizably; nil: it is absent.
func (d *DCS) look(ctx context.Context, key string) (*node, error) {
	a, err := d.attempt(ctx, request{method: http.MethodGet, key: key, query: url.Values{"quorum": {"true"}}})
	if isAbsent(err) {
		return nil, nil
	}
	return a.Node, err
}

// tree is every document of the cluster and its leader key, of one moment.
type tree struct {
	leader    *node
	documents map[dcs.Key]*node
	sent      clock.Instant
}

// read reads the whole cluster, linearizably.
func (d *DCS) read(ctx context.Context) (tree, error) {
	t := tree{documents: map[dcs.Key]*node{}}
	r := request{method: http.MethodGet, key: d.root, query: url.Values{"quorum": {"true"}, "recursive": {"true"}}}
	r.sent = func() { t.sent = d.clock.Now() }
	a, err := d.attempt(ctx, r)
	switch {
	case isAbsent(err):
		return t, nil
	case err != nil:
		return tree{}, err
	}
	if !a.Node.Dir {
		return tree{}, errNoDirectory
	}
	t.add(a.Node, d.root+"/")
	return t, nil
}

func (t *tree) add(n *node, prefix string) {
	switch key := dcs.Key(strings.TrimPrefix(n.Key, prefix)); {
	case n.Dir:
		for _, child := range n.Nodes {
			t.add(child, prefix)
		}
	case key == dcs.LeaderKey:
		t.leader = n
	default:
		t.documents[key] = n
	}
}

func version(n *node) dcs.Version { return dcs.Version(strconv.FormatUint(n.ModifiedIndex, 10)) }

// parseVersion is the inverse of version.
func parseVersion(v dcs.Version) (index uint64, ok bool) {
	index, err := strconv.ParseUint(string(v), 10, 64)
	return index, err == nil && index > 0
}

// grant names the creation of the leader key: its index, in this store.
func (d *DCS) grant(n *node) string {
	return d.store.current() + "-" + strconv.FormatUint(n.CreatedIndex, 10)
}

// holder is whom the leader key names; nil: the key is absent.
func (d *DCS) holder(n *node) *dcs.Holder {
	if n == nil {
		return nil
	}
	g := d.grant(n)
	return &dcs.Holder{Name: n.Value, Grant: g, Lineage: g}
}

// isOurs says whether the leader key is held by that grant of ours.
func (d *DCS) isOurs(n *node, grant string) bool {
	return n != nil && n.Value == d.name && d.grant(n) == grant
}

func (d *DCS) refused(err error, n *node) error {
	return &dcs.RefusedError{Err: err, Holder: d.holder(n)}
}
