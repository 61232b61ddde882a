package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// standing is a member and how it does.
type standing struct {
	*pb.Member
	status *clientv3.StatusResponse
	err    error // why there is no status
}

// statusTimeout is how long a member may take to say how it is.
const statusTimeout = 2 * time.Second

// called is the member's name, or what there is of one that has never run.
func (s standing) called() string {
	if s.Name == "" {
		return strings.Join(s.PeerURLs, ",")
	}
	return s.Name
}

// isWell says that it answers, knows the store's leader and reports no error.
func (s standing) isWell() bool {
	return s.err == nil && s.status.Leader != 0 && len(s.status.Errors) == 0
}

func (s standing) leads() bool { return s.err == nil && s.status.Leader == s.ID }

// standings asks every member how it is, by name.
func standings(ctx context.Context, client *clientv3.Client) ([]standing, error) {
	list, err := client.MemberList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the members: %w", err)
	}
	var all []standing
	for _, m := range list.Members {
		s := standing{Member: m, err: fmt.Errorf("it has never run")}
		for _, url := range m.ClientURLs {
			within, cancel := context.WithTimeout(ctx, statusTimeout)
			s.status, s.err = client.Status(within, url)
			cancel()
			if s.err == nil {
				break
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b standing) int { return strings.Compare(a.called(), b.called()) })
	return all, nil
}

// mayAdd refuses a member that would do harm.
func mayAdd(all []standing, name, peer string) error {
	if len(all) >= maxMembers {
		return fmt.Errorf("the store has %d members, no more than %d are supported: remove the one that it is to replace first", len(all), maxMembers)
	}
	for _, s := range all {
		switch {
		case s.Name == name:
			return fmt.Errorf("there is a member %s already: if it was lost, regent-store member remove %s comes first", name, name)
		case slices.Contains(s.PeerURLs, peer):
			return fmt.Errorf("%s is the address of the member %s already: if it was lost, regent-store member remove %s comes first", peer, s.called(), s.called())
		case s.IsLearner:
			return fmt.Errorf("%s has not caught up yet: one member is added at a time", s.called())
		case !s.isWell():
			return fmt.Errorf("%s is not well (%s): bring it back or remove it first", s.called(), s.ailment())
		}
	}
	return nil
}

// mayRemove refuses to take away what the store can't be without.
func mayRemove(all []standing, who string) (standing, error) {
	i := slices.IndexFunc(all, func(s standing) bool { return s.called() == who || fmt.Sprintf("%x", s.ID) == who })
	if i < 0 {
		var names []string
		for _, s := range all {
			names = append(names, s.called())
		}
		return standing{}, fmt.Errorf("there is no member %s, only %s", who, strings.Join(names, ", "))
	}
	voters, well := 0, 0
	var ill []string
	for j, s := range all {
		if j == i || s.IsLearner {
			continue
		}
		voters++
		if s.isWell() {
			well++
		} else {
			ill = append(ill, s.called())
		}
	}
	switch {
	case all[i].IsLearner:
	case voters == 0:
		return standing{}, fmt.Errorf("%s is the store's only member: what it has is the last copy", who)
	case well <= voters/2:
		return standing{}, fmt.Errorf("without %s the store would have no majority: of the others %s is not well", who, strings.Join(ill, ", "))
	}
	return all[i], nil
}

// ailment is why a member isn't well.
func (s standing) ailment() string {
	switch {
	case s.err != nil && len(s.ClientURLs) == 0:
		return s.err.Error()
	case s.err != nil:
		return "no answer at " + strings.Join(s.ClientURLs, ", ")
	case len(s.status.Errors) > 0:
		return strings.Join(s.status.Errors, "; ")
	case s.status.Leader == 0:
		return "it knows no leader"
	}
	return ""
}
