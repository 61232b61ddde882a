package ha

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// pledgeGiver is what a member goes by that is asked for a pledge.
type pledgeGiver struct {
	Name, Scope string
	SystemID    string // of its data, or of its cluster while it has none
	TTL         time.Duration
	Seen        LeaderNote
	// Readable says that the store answered just now. Holder is whom it named.
	Readable bool
	Holder   *dcs.Holder
}

// refuses says why r gets no pledge: it isn't from the leader of our cluster, as far
// as we saw in the store. Nil: it is.
//
// A name alone is no proof: it may be of another cluster's leader, who reached an
// address that one of its members had before. The grant is known only to those who
// can read the store.
func (g pledgeGiver) refuses(r PledgeRequest) error {
	switch t := r.Terms; {
	case t == nil:
	case t.Scope != g.Scope:
		return fmt.Errorf("a pledge of the cluster %q is asked for: this is a member of %q", t.Scope, g.Scope)
	case g.SystemID == "":
		return errors.New("this member has no data, and doesn't know the system identifier of its cluster")
	case t.SystemID != g.SystemID:
		return fmt.Errorf("a pledge of the system %q is asked for: this member's is %q", t.SystemID, g.SystemID)
	case t.Giver != g.Name:
		return fmt.Errorf("a pledge of the member %q is asked for: this is %q", t.Giver, g.Name)
	case t.Taker != r.Name:
		return fmt.Errorf("a pledge to %q is asked for by %q", t.Taker, r.Name)
	case t.Grant == "":
		return fmt.Errorf("%q names no grant of the leader key", r.Name)
	case t.TTL <= 0:
		return fmt.Errorf("a pledge for %d s is asked for: it must be more than 0", t.TTL)
	}
	switch seen := g.Seen; {
	case r.Name == g.Name:
		return fmt.Errorf("a pledge to %q is asked for: that is this member", r.Name)
	case g.Readable && g.Holder != nil && g.Holder.Name != r.Name:
		return fmt.Errorf("the store, which this member can read, names %q as the leader, not %q", g.Holder.Name, r.Name)
	case seen.Name == "":
		return fmt.Errorf("this member has seen no leader in the store since its host was booted: it can't tell whether %q is one", r.Name)
	case seen.Name != r.Name:
		return fmt.Errorf("the leader that this member saw last in the store is %q, not %q", seen.Name, r.Name)
	case r.Terms == nil:
		return g.refusesUnnamed(r)
	case r.Terms.Grant != seen.Grant:
		return fmt.Errorf("%q asks under another grant of the leader key than the one that this member saw last in the store", r.Name)
	}
	return nil
}

// refusesUnnamed is for a request without terms, which only Patroni's leaders send:
// the addresses of the leader's entry stand for the cluster.
func (g pledgeGiver) refusesUnnamed(r PledgeRequest) error {
	switch seen := g.Seen; {
	case seen.Ours:
		return fmt.Errorf("the request names no cluster and no grant, as %q does, whose program is regent by its entry", r.Name)
	case seen.ConnURL == "" || seen.APIURL == "":
		return fmt.Errorf("the request names no cluster, and the entry of %q isn't known, whose addresses could stand for it", r.Name)
	case r.ConnURL != seen.ConnURL || r.APIURL != seen.APIURL:
		return fmt.Errorf("the request names no cluster, and is from %q at %q and %q: its entry has %q and %q", r.Name,
			conceal(r.APIURL), conceal(r.ConnURL), seen.APIURL, conceal(seen.ConnURL))
	}
	return nil
}

// storeLook bounds the look at the store before a pledge: the leader waits for the
// answer no longer than peerSilence, and may have a silent store.
const storeLook = 500 * time.Millisecond

// giver is what we go by, with the leader that the store names at this moment.
func (a *Agent) giver(ctx context.Context, s postgres.Status, ttl time.Duration) pledgeGiver {
	g := pledgeGiver{Name: a.cfg.Name, Scope: a.cfg.Scope, TTL: ttl}
	ctx, cancel := clock.WithTimeout(ctx, a.clock, storeLook)
	defer cancel()
	if c, err := a.client.Read(ctx); err == nil {
		a.pledged.saw(c)
		g.Readable, g.Holder = true, c.Leader
	}
	g.Seen = a.pledged.lastLeader()
	if g.SystemID = s.SystemID; g.SystemID == "" {
		g.SystemID = g.Seen.SystemID
	}
	return g
}

// saw takes up the leader that the store names.
func (b *pledgeBook) saw(c dcs.Cluster) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Sent.Before(b.seenAt) {
		return // a read that overtook this one
	}
	b.seenAt = c.Sent
	next := b.seen.next(c, b.agent.cfg.Scope)
	if next == b.seen && !b.unwritten {
		return
	}
	b.seen = next
	err := b.agent.cfg.Notes.WriteLeader(next)
	if err != nil && !b.unwritten {
		b.agent.log.Warn("the leader could not be written down: an agent that starts while the store is away pledges to nobody", "error", err)
	}
	b.unwritten = err != nil
}

// recall takes up the leader that the agent before us saw.
func (b *pledgeBook) recall() error {
	seen, err := b.agent.cfg.Notes.ReadLeader()
	if err != nil || seen.Scope != b.agent.cfg.Scope {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = seen
	return nil
}

func (b *pledgeBook) lastLeader() LeaderNote {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}
