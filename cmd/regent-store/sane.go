package main

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

const (
	// answerTimeout is how long a member that is well may take to answer.
	answerTimeout = time.Second
	// lagAllowed is how many entries of the log may be on their way.
	lagAllowed = 100
)

// sane says whether another member answers now and has what this one, the store's
// leader, has. Each alone would not do: what raft knows of a member that has just
// fallen silent is a few seconds old, and one that answers may be far behind.
func (l *lead) sane(ctx context.Context, m *membership.Member) bool {
	match, commit, err := progress(uint64(m.ID))
	if err != nil || match+lagAllowed < commit {
		return false
	}
	for _, url := range m.PeerURLs {
		if l.answers(ctx, url) {
			return true
		}
	}
	return false
}

// explain makes errRemoved of an error of a server that stopped since it was
// removed, here or while it was away.
func (l *lead) explain(err error) error {
	if err == nil {
		return nil
	}
	own := l.server.MemberID()
	if l.server.IsIDRemoved(uint64(own)) {
		return errRemoved
	}
	for _, m := range l.server.Cluster().Members() {
		for _, url := range m.PeerURLs {
			if members, ok := l.membersAt(url); ok && m.ID != own && !slices.Contains(members, own) {
				return errRemoved
			}
		}
	}
	return err
}

// membersAt are the members that one of them knows.
func (l *lead) membersAt(url string) ([]types.ID, bool) {
	answer, err := l.peers.Get(url + "/members")
	if err != nil {
		return nil, false
	}
	defer answer.Body.Close()
	var known []membership.Member
	if answer.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&known) != nil || len(known) == 0 {
		return nil, false
	}
	var ids []types.ID
	for _, m := range known {
		ids = append(ids, m.ID)
	}
	return ids, true
}

// answers asks a member on the way that members use among themselves.
func (l *lead) answers(ctx context.Context, url string) bool {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/version", nil)
	if err != nil {
		return false
	}
	answer, err := l.peers.Do(ask)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// progress is how far a member has the log, and how far it is committed, as the
// raft of this process tells while it leads. etcd publishes it as a variable
// (expvar raft.status) and in no other way.
func progress(id uint64) (match, commit uint64, err error) {
	published := expvar.Get("raft.status")
	if published == nil {
		return 0, 0, fmt.Errorf("raft tells no status")
	}
	var status struct {
		Commit   uint64 `json:"commit"`
		Progress map[string]struct {
			Match uint64 `json:"match"`
			State string `json:"state"`
		} `json:"progress"`
	}
	if err := json.Unmarshal([]byte(published.String()), &status); err != nil {
		return 0, 0, fmt.Errorf("raft's status: %w", err)
	}
	p, ok := status.Progress[fmt.Sprintf("%x", id)]
	if !ok || p.State != "StateReplicate" {
		return 0, 0, fmt.Errorf("%x does not follow", id)
	}
	return p.Match, status.Commit, nil
}
