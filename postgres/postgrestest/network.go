package postgrestest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Network is the hosts of some servers and the time that passes for them.
//
// Nothing happens by itself: what has become due happens in Advance, and in any
// call on a server. Run calls Advance whenever something is due.
type Network struct {
	clock clock.Clock

	mu      sync.Mutex
	now     clock.Instant
	events  []event // by at, then by number
	number  uint64
	servers []*Server
	cut     map[link]bool
	pid     int
	changed chan struct{} // gets a hint when an earlier event was added
}

// link is one direction between two hosts.
type link struct{ from, to string }

// event is something of a server's that happens later.
type event struct {
	at     clock.Instant
	number uint64
	of     *Server
	do     func()
}

// NewNetwork makes one without servers, in the time of c.
func NewNetwork(c clock.Clock) *Network {
	return &Network{clock: c, now: c.Now(), cut: map[link]bool{}, pid: 1000, changed: make(chan struct{}, 1)}
}

// CountFrom makes the system identifiers of new clusters others than those of a
// network that counts from another number. It comes before the first server.
func (n *Network) CountFrom(number uint64) {
	n.lock()
	defer n.mu.Unlock()
	n.number = number
}

// Cut lets nothing through from one host to the other, in that direction. What
// is under way gets no answer, as if packets were dropped.
func (n *Network) Cut(from, to string) { n.setCut(from, to, true) }

// Heal lets everything through again in that direction.
func (n *Network) Heal(from, to string) { n.setCut(from, to, false) }

func (n *Network) setCut(from, to string, cut bool) {
	n.lock()
	defer n.mu.Unlock()
	if cut {
		n.cut[link{from, to}] = true
	} else {
		delete(n.cut, link{from, to})
	}
}

// reaches says whether two hosts can talk: that needs both directions.
func (n *Network) reaches(a, b string) bool {
	return a == b || !n.cut[link{a, b}] && !n.cut[link{b, a}]
}

// Next is when Advance has something to do; zero: nothing is due ever.
func (n *Network) Next() clock.Instant {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.events) == 0 {
		return 0
	}
	return n.events[0].at
}

// Advance lets everything happen that has become due.
func (n *Network) Advance() {
	n.lock()
	n.mu.Unlock()
}

// Run calls Advance when something is due, until ctx ends.
func (n *Network) Run(ctx context.Context) {
	for ctx.Err() == nil {
		next := n.Next()
		if next.IsZero() {
			next = n.clock.Now().Add(time.Hour)
		}
		timer := n.clock.NewTimer(next)
		select {
		case <-timer.C():
			n.Advance()
		case <-n.changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// lock takes the network with everything happened that is due.
func (n *Network) lock() {
	n.mu.Lock()
	now := n.clock.Now()
	for len(n.events) > 0 && !n.events[0].at.After(now) {
		e := n.events[0]
		n.events = n.events[1:]
		n.now = max(n.now, e.at)
		if e.of.frozen {
			e.of.held = append(e.of.held, e)
			continue
		}
		e.do()
	}
	n.now = max(n.now, now)
}

// after lets something of s's happen in d. The caller has the network.
func (n *Network) after(s *Server, d time.Duration, do func()) {
	n.number++
	n.insert(event{at: n.now.Add(d), number: n.number, of: s, do: do})
}

func (n *Network) insert(e event) {
	i, _ := slices.BinarySearchFunc(n.events, e, func(a, b event) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return int(int64(a.number) - int64(b.number))
	})
	n.events = slices.Insert(n.events, i, e)
	if i == 0 {
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
}

// find is the server that listens on an address, or nil.
func (n *Network) find(host string, port int) *Server {
	for _, s := range n.servers {
		if s.opts.Host == host && s.opts.Port == port {
			return s
		}
	}
	return nil
}
