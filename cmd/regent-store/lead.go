package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// lookEvery is how often a member that leads the store looks around.
const lookEvery = time.Second

// movesCount is how long a move makes the next one less likely.
const movesCount = time.Hour

// lead is what falls to the member that leads the store: it makes learners voters
// when they have caught up, and gives its leadership away where a primary is.
type lead struct {
	server    *etcdserver.EtcdServer
	namespace string // of the clusters to stay away from; empty: of none
	hosts     *hosts
	peers     *http.Client
	out       io.Writer

	wanted int         // looks in a row that wanted another leader
	moves  []time.Time // since when leadership was given away
	stuck  string      // why it stays here, as of the last look
	said   string      // what was said of that
}

func newLead(e *embed.Etcd, namespace string, out io.Writer) (*lead, error) {
	c := e.Config()
	t, err := transport.NewTransport(c.PeerTLSInfo, answerTimeout)
	if err != nil {
		return nil, fmt.Errorf("certificates for the other members: %w", err)
	}
	return &lead{
		server: e.Server, namespace: namespace, out: out,
		hosts: newHosts(append(c.ListenClientUrls, c.ListenPeerUrls...)...),
		peers: &http.Client{Transport: t, Timeout: answerTimeout},
	}, nil
}

// run looks around until ctx ends.
func (l *lead) run(ctx context.Context) {
	defer l.peers.CloseIdleConnections()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.server.Leader() != l.server.MemberID() {
			l.wanted, l.stuck, l.said = 0, "", ""
			continue
		}
		l.promote(ctx)
		if l.namespace != "" {
			l.yield(ctx)
		}
	}
}

// promote makes voters of learners that answer and have caught up. It is done
// here since only the leader knows who has.
func (l *lead) promote(ctx context.Context) {
	for _, m := range l.server.Cluster().Members() {
		if !m.IsLearner || !l.sane(ctx, m) {
			continue
		}
		within, cancel := context.WithTimeout(ctx, l.server.Cfg.ReqTimeout())
		_, err := l.server.PromoteMember(l.server.AuthStore().WithRoot(within), uint64(m.ID))
		cancel()
		if err == nil {
			fmt.Fprintf(l.out, "regent-store: %s has caught up and votes now\n", m.Name)
		}
	}
}

// yield gives leadership away if it should and may.
func (l *lead) yield(ctx context.Context) {
	s, err := l.situation(ctx)
	if err != nil {
		return // the server is about to end
	}
	to, refused := s.successor()
	if to == nil && refused == nil {
		l.wanted, l.stuck, l.said = 0, "", ""
		return
	}
	l.wanted++
	l.moves = since(l.moves, time.Now().Add(-movesCount))
	if l.wanted < patience(len(l.moves)) {
		return
	}
	if refused != nil {
		l.stay(s, *refused)
		return
	}
	l.stuck, l.said = "", ""
	l.moves = append(l.moves, time.Now())
	l.wanted = 0
	// An election that doesn't come about is over after this time, too.
	within, cancel := context.WithTimeout(ctx, 2*time.Duration(l.server.Cfg.ElectionTicks)*time.Duration(l.server.Cfg.TickMs)*time.Millisecond)
	defer cancel()
	if err := l.server.MoveLeader(within, uint64(l.server.MemberID()), to.id); err != nil {
		fmt.Fprintf(l.out, "regent-store: %s was to lead the store, but: %v\n", to.name, err)
		return
	}
	fmt.Fprintf(l.out, "regent-store: %s leads the store now: the primary of %s is on this machine\n", to.name, strings.Join(s.here, ", "))
}

// stay says once why leadership stays where it shouldn't be.
func (l *lead) stay(s situation, r refusal) {
	lasting := l.stuck == r.why
	l.stuck = r.why
	if !lasting || r.passing || l.said == r.why {
		return
	}
	l.said = r.why
	fmt.Fprintf(l.out, "regent-store: this member leads the store beside the primary of %s: %s\n", strings.Join(s.here, ", "), r.why)
}

func since(times []time.Time, from time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(from) {
		times = times[1:]
	}
	return times
}

// situation asks the other members only if a primary is here.
func (l *lead) situation(ctx context.Context) (situation, error) {
	var s situation
	all, err := primaries(ctx, l.server.KV(), l.namespace)
	if err != nil {
		return s, err
	}
	for _, p := range all {
		if l.hosts.here(ctx, p.hosts...) {
			s.here = append(s.here, p.cluster)
		}
	}
	if len(s.here) == 0 {
		return s, nil
	}
	for _, p := range all {
		if l.waning(ctx, p) {
			s.waning = append(s.waning, p.cluster)
		}
	}
	for _, m := range l.server.Cluster().Members() {
		if m.IsLearner {
			continue
		}
		s.voters++
		if m.ID != l.server.MemberID() {
			s.others = append(s.others, voter{id: uint64(m.ID), name: m.Name, sane: l.sane(ctx, m), free: l.free(ctx, m, all)})
		}
	}
	return s, nil
}

// waning says that more than half of a leader's lease has gone since it was last
// heard from.
func (l *lead) waning(ctx context.Context, p primary) bool {
	if p.lease == 0 {
		return false
	}
	left, err := l.server.LeaseTimeToLive(l.server.AuthStore().WithRoot(ctx), &pb.LeaseTimeToLiveRequest{ID: int64(p.lease)})
	return err != nil || 2*left.TTL < left.GrantedTTL
}

func (l *lead) free(ctx context.Context, m *membership.Member, all []primary) bool {
	where := hostsIn(m.PeerURLs, m.ClientURLs)
	if l.hosts.here(ctx, where...) {
		return false
	}
	for _, p := range all {
		if l.hosts.same(ctx, where, p.hosts) {
			return false
		}
	}
	return true
}
