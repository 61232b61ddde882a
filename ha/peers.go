package ha

import (
	"context"
	"maps"
	"sync"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// peerBook asks other members and keeps their last answers.
type peerBook struct {
	agent *Agent
	mu    sync.Mutex
	peers map[string]peer
	group sync.WaitGroup
}

func (b *peerBook) init(a *Agent) {
	b.agent = a
	b.peers = map[string]peer{}
}

func (b *peerBook) look() map[string]peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.peers)
}

// ask sends a request to each member, and wakes the loop when an answer comes.
// A request that is under way already is not waited for: what it brings would
// be older than this one.
func (b *peerBook) ask(ctx context.Context, members []dcs.Member) {
	for _, m := range members {
		sent := b.agent.clock.Now()
		b.mu.Lock()
		p := b.peers[m.Name]
		if !p.awaited() || p.Silent.IsZero() {
			p.Silent = sent
		}
		p.Asked, p.Flying, p.APIURL = sent, true, m.APIURL
		b.peers[m.Name] = p
		b.mu.Unlock()
		b.group.Go(func() { b.await(ctx, m, sent) })
	}
}

// is says whether it was that member of our cluster who answered: at its address another
// may by now.
func (b *peerBook) is(m dcs.Member, s PeerStatus) bool {
	id := b.agent.systemID()
	return s.Name == m.Name && s.Scope == b.agent.cfg.Scope && (s.SystemID == id || s.SystemID == "" || id == "")
}

func (b *peerBook) await(ctx context.Context, m dcs.Member, sent clock.Instant) {
	ctx, cancel := clock.WithTimeout(ctx, b.agent.clock, peerSilence)
	defer cancel()
	status, err := b.agent.cfg.Peers.Ask(ctx, m)
	defer b.agent.Wake()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[m.Name]
	if p.Asked != sent {
		return
	}
	p.Flying = false
	p.Unpledged = p.Unpledged || err == nil && status.NoPledges && b.is(m, status)
	if err == nil || ctx.Err() == nil { // else it is silent, which goes on counting from the first request
		p.Answered, p.Silent, p.Status, p.Err = b.agent.clock.Now(), 0, status, ""
		if err != nil {
			p.Err = err.Error()
		}
	}
	b.peers[m.Name] = p
}
