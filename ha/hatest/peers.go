package hatest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// peers is an agent's way to the other agents, over the network between hosts.
type peers struct{ process *process }

var _ ha.Peers = peers{}

// peerLatency is how long a request takes in each direction.
const peerLatency = time.Millisecond

// Ask implements ha.Peers.
func (p peers) Ask(ctx context.Context, m dcs.Member) (ha.PeerStatus, error) {
	return converse(ctx, p.process, "ask", m.APIURL, func(ctx context.Context, a *ha.Agent) (ha.PeerStatus, error) {
		return peerStatus(a.Refresh(ctx)), nil
	})
}

// Pledge implements ha.Peers.
func (p peers) Pledge(ctx context.Context, apiURL string, r ha.PledgeRequest) (ha.PledgeAnswer, error) {
	return converse(ctx, p.process, "pledge", apiURL, func(ctx context.Context, a *ha.Agent) (ha.PledgeAnswer, error) {
		n := p.process.node.cluster.byURL(apiURL)
		answer, err := a.Pledge(ctx, r)
		if err == nil {
			n.pledged[r.Name] = max(n.pledged[r.Name], n.clock.when(n.clock.Now().Add(time.Duration(answer.Terms.TTL)*time.Second)))
		}
		return answer, err
	})
}

// peerStatus is what GET /patroni says of a member.
func peerStatus(r ha.Report) ha.PeerStatus {
	s := r.Server
	return ha.PeerStatus{
		Name: r.Name, Scope: "simulated", SystemID: s.SystemID,
		Running:    s.State == postgres.StateRunning,
		InRecovery: s.Role == postgres.RoleReplica,
		Timeline:   uint32(s.Timeline), Location: uint64(s.Location),
		NoFailover: r.Member.Tags.NoFailover(), Priority: r.Member.Tags.FailoverPriority(),
		Unfit: r.Unfit(), Passing: r.Passing(), PledgedTo: r.PledgedTo, NoPledges: r.NoPledges,
	}
}

// converse sends a request to the agent at url, lets it answer in a goroutine of
// its own, and brings back what it says.
func converse[T any](ctx context.Context, p *process, what, url string, serve func(context.Context, *ha.Agent) (T, error)) (T, error) {
	var none T
	c, w := p.node.cluster, p.world
	to := c.byURL(url)
	if to == nil {
		return none, errors.New("hatest: nobody has that address")
	}
	return request(ctx, p, what+" "+to.name, func(reply func(T, error)) {
		back := func(value T, err error) {
			w.in(w.delay(peerLatency), "", func() {
				if !c.peersCut(to, p.node) && !p.node.down {
					reply(value, err)
				}
			})
		}
		w.in(w.delay(peerLatency)+p.node.slowness(), p.node.name+" "+what+" "+to.name, func() {
			if c.peersCut(p.node, to) || to.down || p.node.down {
				return
			}
			q := to.process
			if q == nil || q.dead.Load() || to.agent == nil {
				back(none, errors.New("hatest: connection refused"))
				return
			}
			q.deliver(func() {
				q.serve(what+" "+p.node.name, func(ctx context.Context) func() {
					value, err := serve(ctx, q.node.agent)
					return func() { back(value, err) }
				})
			})
		})
	})
}

// serve lets the agent do something for somebody else; what it returns happens
// when that is done.
func (p *process) serve(what string, do func(context.Context) func()) {
	p.serving.Go(func() {
		done := do(p.ctx)
		p.world.arrive(arrival{node: p.node.index, kind: "served", label: what, admit: func() {
			if !p.dead.Load() {
				done()
			}
		}})
	})
}

func apiURL(name string) string { return "http://" + name + ":8008/patroni" }

func (c *Cluster) byURL(url string) *node {
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), ":8008/patroni")
	if n := c.readdressed[host]; n != nil {
		return n
	}
	for _, n := range c.nodes {
		if n.name == host {
			return n
		}
	}
	return nil
}
