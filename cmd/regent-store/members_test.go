package main

import (
	"errors"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// of is a store: a word for each member, its name and, behind a colon, dead or
// learner.
func of(text string) []standing {
	var all []standing
	for i, word := range strings.Fields(text) {
		name, how, _ := strings.Cut(word, ":")
		s := standing{
			Member: &pb.Member{ID: uint64(i + 1), Name: name, PeerURLs: []string{"http://" + name + ":2380"}, IsLearner: how == "learner"},
			status: &clientv3.StatusResponse{Leader: 1},
		}
		if how == "dead" {
			s.status, s.err = nil, errors.New("connection refused")
		}
		all = append(all, s)
	}
	return all
}

func TestMayRemove(t *testing.T) {
	for _, c := range []struct{ store, who, want string }{
		{"a", "a", "only member"},
		{"a b", "b", ""},
		{"a b:dead", "b", ""},
		{"a b:dead", "a", "no majority: of the others b is not well"},
		{"a b c", "c", ""},
		{"a b c:dead", "c", ""},
		{"a b c:dead", "b", "no majority: of the others c is not well"},
		{"a b:learner", "b", ""},
		{"a b:learner", "a", "only member"},
		{"a b", "d", "there is no member d, only a, b"},
		{"a b", "2", ""},
	} {
		_, err := mayRemove(of(c.store), c.who)
		checkRefusal(t, c.store+" less "+c.who, err, c.want)
	}
}

func TestMayAdd(t *testing.T) {
	for _, c := range []struct{ store, name, peer, want string }{
		{"a", "b", "http://b:2380", ""},
		{"a b", "c", "http://c:2380", ""},
		{"a b c", "d", "http://d:2380", "no more than 3"},
		{"a b", "b", "http://c:2380", "there is a member b already"},
		{"a b", "c", "http://b:2380", "address of the member b already"},
		{"a b:learner", "c", "http://c:2380", "b has not caught up yet"},
		{"a b c:dead", "d", "http://d:2380", "no more than 3"},
		{"a b:dead", "c", "http://c:2380", "b is not well"},
	} {
		checkRefusal(t, c.store+" and "+c.name, mayAdd(of(c.store), c.name, c.peer), c.want)
	}
}

func checkRefusal(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: refused: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}
